import MillraceCore
import MillraceInference
import MillraceProcesses
import MillraceWire
import Testing

@testable import MillraceRunnerProcess

@Suite("A handler session")
struct HandlerSessionTests {
    typealias Action = HandlerSession.Action

    let limits = ProcessRunnerLimits()

    func item(_ id: ItemID) -> RunnerWorkMessage.Item {
        .init(
            item: id, job: JobID(high: 0, low: UInt64(id)), endpoint: "e", attempt: 1, parameters: [:], input: nil, files: [],
            workdir: "/w", checkpoint: nil)
    }

    func idle() -> HandlerSession {
        var session = HandlerSession(limits: limits)
        _ = session.received(.hello(.init(pid: 1)) as HandlerControlMessage)
        _ = session.received(.hello(.init()) as HandlerWorkMessage)
        _ = session.received(.ready(.init(batchMax: 4)))
        return session
    }

    func running(_ items: ItemID...) -> HandlerSession {
        var session = idle()
        _ = session.run(items.map(item))
        return session
    }

    func result(_ item: ItemID, _ json: JSONValue = 1, batch: Int64 = 1) -> HandlerWorkMessage {
        .result(.init(batch: batch, item: item, json: json))
    }

    func ends(_ actions: [Action]) -> [BatchEnd] {
        actions.compactMap { if case .batchEnded(let end) = $0 { end } else { nil } }
    }

    @Test("is ready when both channels said hello, in whatever order the three frames come")
    func ready() {
        var session = HandlerSession(limits: limits)
        let actions1 = session.started()
        #expect(actions1 == [.setTimer(.start, .seconds(120))])
        let actions2 = session.received(.hello(.init(pid: 1)) as HandlerControlMessage)
        #expect(actions2.isEmpty)
        let actions3 = session.received(.ready(.init(batchMax: 4)))
        #expect(actions3.isEmpty)
        #expect(
            session.received(.hello(.init()) as HandlerWorkMessage)
                == [.clearTimer(.start), .setTimer(.ping, limits.pingEvery), .ready(batchMax: 4)])
    }

    @Test("ends a batch only when the pong after done is here, so that nothing said before is lost")
    func settles() {
        var session = running(1, 2)
        let actions4 = session.received(result(1))
        #expect(actions4.isEmpty)
        let actions5 = session.received(result(2, 2))
        #expect(actions5.isEmpty)
        let actions6 = session.received(.done(.init(batch: 1)))
        #expect(actions6 == [.sendControl(.ping(.init(seq: 1, batch: 1))), .setTimer(.pong, limits.pongMax)])
        let log = HandlerControlMessage.log(.init(item: 2, level: .info, message: "late"))
        let actions7 = session.received(log)
        #expect(actions7 == [.log(LogLine(level: .info, message: "late"), 2)])
        let end = BatchEnd(answers: [1: .reply(json: 1, outputs: []), 2: .reply(json: 2, outputs: [])])
        #expect(
            session.received(.pong(.init(seq: 1)))
                == [.clearTimer(.pong), .setTimer(.ping, limits.pingEvery), .batchEnded(end)])
        #expect(session.phase == .idle)
    }

    @Test("does not take an older pong for the one that ends a batch")
    func olderPong() {
        var session = running(1)
        _ = session.fired(.ping)
        _ = session.received(result(1))
        _ = session.received(.done(.init(batch: 1)))
        let actions8 = session.received(.pong(.init(seq: 1)))
        #expect(actions8.isEmpty)
        #expect(ends(session.received(.pong(.init(seq: 2)))).count == 1)
    }

    @Test("asks an item to stop once for the clock and every time for the handler")
    func cancels() {
        var session = running(1, 2)
        let cancel = Action.sendControl(.cancel(.init(item: 2, reason: .draining)))
        let actions9 = session.cancel(2, reason: .draining)
        #expect(actions9 == [cancel, .setTimer(.cancel(2), .seconds(3))])
        let actions10 = session.cancel(2, reason: .lost)
        #expect(actions10 == [.sendControl(.cancel(.init(item: 2, reason: .lost)))])
        let actions11 = session.cancel(7, reason: .cancelled)
        #expect(actions11.isEmpty)
        let actions12 = session.received(.cancelled(.init(batch: 1, item: 2)))
        #expect(actions12 == [.clearTimer(.cancel(2))])
        let actions13 = session.cancel(2, reason: .cancelled)
        #expect(actions13.isEmpty)
    }

    @Test("gives an item less time once the worker drains, but never anew")
    func drains() {
        var session = running(1)
        let cancelled = session.cancel(1, reason: .cancelled)
        #expect(cancelled.last == .setTimer(.cancel(1), limits.cancelGrace))
        let draining = session.cancel(1, reason: .draining)
        #expect(draining.last == .setTimer(.cancel(1), limits.drainGrace))
        let again = session.cancel(1, reason: .draining)
        #expect(again == [.sendControl(.cancel(.init(item: 1, reason: .draining)))])
    }

    @Test("makes an item that says cancelled unasked a failure of its own")
    func unaskedCancel() {
        var session = running(1)
        let actions14 = session.received(.cancelled(.init(batch: 1, item: 1)))
        #expect(actions14.isEmpty)
        guard case .error(let failure) = session.batch?.answers[1] else { return #expect(Bool(false)) }
        #expect(failure.code == "handler_protocol")
    }

    @Test("ends the process of an item that does not stop, and gives the others back unblamed")
    func overdue() {
        var session = running(1, 2, 3)
        _ = session.received(result(1))
        _ = session.cancel(2, reason: .cancelled)
        let actions = session.fired(.cancel(2))
        #expect(actions.contains(.signal(.terminate)))
        #expect(actions.contains(.setTimer(.kill, limits.terminateGrace)))
        let actions15 = session.fired(.kill)
        #expect(actions15 == [.signal(.kill)])
        _ = session.closed(.control)
        _ = session.closed(.work)
        let end = ends(session.exited(HandlerExit(status: .signaled(9), stderrTail: "")))[0]
        #expect(end.answers == [1: .reply(json: 1, outputs: []), 2: .cancelled])
        guard case .lost(let failure) = end.remainder else { return #expect(Bool(false)) }
        #expect(failure.hint == nil)
    }

    @Test("still takes the answers of a handler that closed its control channel first")
    func answersWhileLeaving() {
        var session = running(1)
        let actions16 = session.closed(.control)
        #expect(actions16.contains(.setTimer(.terminate, limits.exitGrace)))
        _ = session.received(result(1))
        let actions17 = session.exited(HandlerExit(status: .exited(0), stderrTail: ""))
        #expect(actions17.contains(.setTimer(.drain, .seconds(2))))
        #expect(ends(session.closed(.work)) == [BatchEnd(answers: [1: .reply(json: 1, outputs: [])])])
    }

    @Test("hears why a model could not be loaded, although the work channel closed first")
    func fatalWhileLeaving() {
        var session = HandlerSession(limits: limits)
        _ = session.received(.hello(.init(pid: 1)) as HandlerControlMessage)
        _ = session.received(.hello(.init()) as HandlerWorkMessage)
        _ = session.closed(.work)
        _ = session.exited(HandlerExit(status: .exited(1), stderrTail: "tail"))
        _ = session.received(.fatal(.init(message: "no weights")))
        let actions = session.closed(.control)
        guard case .ended(let failure) = actions.last else { return #expect(Bool(false)) }
        #expect(failure.message == "the handler cannot load its model: no weights")
        #expect(failure.code == "model_unavailable" && failure.stderrTail == "tail")
    }

    @Test("listens a moment longer to a process that was gone before its channels were accepted")
    func goneBeforeHello() {
        var session = HandlerSession(limits: limits)
        let actions = session.exited(HandlerExit(status: .exited(1), stderrTail: ""))
        #expect(actions.last == .setTimer(.drain, .milliseconds(100)))
        _ = session.received(.hello(.init(pid: 1)) as HandlerControlMessage)
        _ = session.received(.fatal(.init(message: "no weights")))
        _ = session.closed(.control)
        guard case .ended(let failure) = session.fired(.drain).last else { return #expect(Bool(false)) }
        #expect(failure.message == "the handler cannot load its model: no weights")
    }

    @Test("does not wait for ever for a channel that somebody else holds open")
    func drained() {
        var session = running(1, 2)
        _ = session.exited(HandlerExit(status: .exited(1), stderrTail: "x"))
        let actions = session.fired(.drain)
        guard case .lost(let failure) = ends(actions).first?.remainder else { return #expect(Bool(false)) }
        #expect(failure.stderrTail == "x")
        #expect(session.phase == .ended)
    }

    @Test("says so when the kernel probably ran out of memory")
    func outOfMemoryHint() {
        var session = running(1)
        _ = session.closed(.control)
        _ = session.closed(.work)
        let end = ends(session.exited(HandlerExit(status: .signaled(9), stderrTail: "")))[0]
        guard case .error(let failure) = end.answers[1] else { return #expect(Bool(false)) }
        #expect(failure.message == "the handler was killed by signal 9 (SIGKILL)")
        #expect(failure.hint?.contains("memory") == true)
    }

    @Test("never blames a batch that the handler has not seen")
    func unsent() {
        var session = idle()
        _ = session.closed(.control)
        let actions = session.run([item(1)])
        #expect(actions == [.batchEnded(BatchEnd(remainder: .unsent))])
        var ended = idle()
        _ = ended.exited(HandlerExit(status: .exited(0), stderrTail: ""))
        _ = ended.fired(.drain)
        let actions18 = ended.run([item(1)])
        #expect(actions18 == [.batchEnded(BatchEnd(remainder: .unsent))])
    }

    @Test("refuses a checkpoint of an item that does not run, and a second one at a time")
    func checkpoints() {
        var session = running(1)
        let checkpoint = HandlerControlMessage.Checkpoint(item: 1, seq: 1, path: "/w/c", position: 3)
        let actions19 = session.received(.checkpoint(checkpoint))
        #expect(actions19 == [.checkpoint(checkpoint)])
        let answer = RunnerControlMessage.Checkpointed(item: 1, seq: 1, ok: true)
        let actions20 = session.stored(answer)
        #expect(actions20 == [.sendControl(.checkpointed(answer))])
        let stranger = HandlerControlMessage.Checkpoint(item: 5, seq: 2, path: "/w/c", position: nil)
        #expect(
            session.received(.checkpoint(stranger))
                == [.sendControl(.checkpointed(.init(item: 5, seq: 2, ok: false, message: "the item is not running")))])
        _ = session.received(.checkpoint(checkpoint))
        let actions21 = session.received(.checkpoint(checkpoint))
        #expect(actions21.contains(.signal(.terminate)))
    }

    @Test("asks a handler to leave before it makes it leave")
    func shutdown() {
        var session = idle()
        #expect(
            session.shutdown() == [
                .clearTimer(.start), .clearTimer(.ping), .clearTimer(.pong), .sendControl(.shutdown(.init())),
                .setTimer(.terminate, limits.exitGrace),
            ])
        let actions22 = session.fired(.terminate)
        #expect(actions22 == [.signal(.terminate), .setTimer(.kill, limits.terminateGrace)])
        let actions23 = session.shutdown()
        #expect(actions23.isEmpty)
    }

    @Test("keeps a batch's caller waiting until the process is gone", arguments: [true, false])
    func waitsForExit(abandoned: Bool) {
        var session = running(1, 2)
        let actions = abandoned ? session.abandon() : session.violated("x")
        #expect(actions.contains(.signal(.terminate)) && ends(actions).isEmpty)
        #expect(ends(session.closed(.work)).isEmpty)
        #expect(ends(session.closed(.control)).isEmpty)
        let end = ends(session.exited(HandlerExit(status: .signaled(15), stderrTail: "")))[0]
        #expect((end.remainder == .abandoned) == abandoned)
    }
}
