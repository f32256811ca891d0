import MillraceCore
import MillraceQueue

/// One operation, with all that it needs, so that it can be carried out twice.
enum StoreOperation: Sendable {
    case advance(Duration)
    case submit([NewJob], within: EndpointQuotas)
    case reserve(BlobRecord)
    case seal(BlobID)
    case register(WorkerRecord)
    case touch(WorkerID)
    case drain(WorkerID, by: Leadership?)
    case deregister(WorkerID)
    case removeWorkers(age: Duration, by: Leadership?)
    case lease(LeaseDemand)
    case renew([LeaseRenewal])
    case settle([AttemptReport])
    case rescue(limit: Int, by: Leadership?)
    case abandon(WorkerID, atRisk: Set<JobID>)
    case cancel(JobID)
    case retry(JobID)
    case prune(age: Duration, keeping: Int?, limit: Int, by: Leadership?)
    case collect(age: Duration, limit: Int, by: Leadership?)
    case claimDeliveries(limit: Int)
    case record(Delivery, delivered: Bool, retry: Duration?)
    case setMode(EndpointMode, String, String?)
    case cancelMatching(JobFilter, limit: Int)
    case redriveMatching(JobFilter, limit: Int)
    case count(JobFilter)
    case list(JobFilter, after: JobID?, limit: Int)
    case lead(LeadershipRole, CandidateID, Duration)
    case resign(Leadership)
    /// Reads one job, with its inline outputs and where it stands.
    case look(JobID?)
}

/// What a store answered.
enum StoreAnswer: Sendable, Equatable {
    case nothing
    case admissions([Admission])
    case jobs([Job])
    case verdicts([LeaseVerdict])
    case job(Job?)
    case flag(Bool)
    case count(Int)
    case blobs([BlobID])
    case workers([WorkerRecord])
    case deliveries([Delivery])
    case leadership(Leadership?)
    case standing(Job?, ahead: Int?)
    case failed(String)
}
