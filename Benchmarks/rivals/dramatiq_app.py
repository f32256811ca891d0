import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from rival import url

broker = RedisBroker(url=url(3))
broker.add_middleware(Results(backend=RedisBackend(url=url(4)), store_results=True))
dramatiq.set_broker(broker)


@dramatiq.actor
def noop(x):
    return x
