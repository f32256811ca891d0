import MillraceCore
import MillraceQueue

// What clients ask of a gateway.
extension Gateway {
    /// Inputs first, then the jobs in one commit.
    func submit(_ specs: [JobSpec], _ answer: @escaping World.Answer<[Admission]>) {
        reserveFiles(of: specs[...], []) { [self] result in
            switch result {
            case .failure(let error): try answer(.failure(error))
            case .success(let files): admit(specs, files, answer)
            }
        }
    }

    func cancel(_ job: JobID, _ answer: @escaping World.Answer<Job?>) {
        ask(.cancel(job)) { try answer($0.job) }
    }

    func retry(_ job: JobID, _ answer: @escaping World.Answer<Job?>) {
        ask(.retry(job)) { try answer($0.job) }
    }

    func show(_ job: JobID, _ answer: @escaping World.Answer<Job?>) {
        ask(.job(job)) { try answer($0.job) }
    }

    func cancel(_ filter: JobFilter, limit: Int, _ answer: @escaping World.Answer<Int>) {
        ask(.cancelMatching(filter, limit: limit)) { try answer($0.count) }
    }

    func redrive(_ filter: JobFilter, limit: Int, _ answer: @escaping World.Answer<Int>) {
        ask(.redriveMatching(filter, limit: limit)) { try answer($0.count) }
    }

    func setMode(_ mode: EndpointMode, of endpoint: String, _ answer: @escaping World.Answer<Void>) {
        ask(.setMode(mode, of: endpoint)) { try answer($0.map { _ in }) }
    }

    private func admit(_ specs: [JobSpec], _ files: [BlobID?], _ answer: @escaping World.Answer<[Admission]>) {
        let new = zip(specs, files).map { spec, file in
            NewJob(
                job: spec.job(clock.surroundings.makeID(), at: clock.now, file: file),
                idempotency: spec.key.map { .init(key: $0, fingerprint: spec.fingerprint) })
        }
        let quotas = specs.first.flatMap { world.weather.quotas[$0.endpoint] } ?? EndpointQuotas()
        ask(.admit(new, within: quotas)) { result in
            guard case .success(.admissions(let admissions)) = result else { return try answer(.failure(result.failure)) }
            try answer(.success(admissions))
        }
    }

    private func reserveFiles(of specs: ArraySlice<JobSpec>, _ files: [BlobID?], _ then: @escaping World.Answer<[BlobID?]>) {
        guard let spec = specs.first else {
            // No call of the store is needed; the answer still comes as an event.
            return after(0) { try then(.success(files)) }
        }
        guard spec.hasFile else { return reserveFiles(of: specs.dropFirst(), files + [nil], then) }
        let blob: BlobID = clock.surroundings.makeID()
        ask(.reserve(BlobRecord(id: blob, tenant: spec.tenant, createdAt: clock.now))) { [self] result in
            guard case .success = result else { return try then(.failure(result.failure)) }
            world.host.depot.write(blob)
            reserveFiles(of: specs.dropFirst(), files + [blob], then)
        }
    }
}

extension StoreResult {
    var failure: MillraceError {
        if case .failure(let error) = self { error } else { MillraceError(.internal, "an answer of another kind") }
    }

    var job: Result<Job?, MillraceError> {
        if case .success(.job(let job)) = self { .success(job) } else { .failure(failure) }
    }

    var flag: Result<Bool, MillraceError> {
        if case .success(.flag(let flag)) = self { .success(flag) } else { .failure(failure) }
    }

    var count: Result<Int, MillraceError> {
        if case .success(.count(let count)) = self { .success(count) } else { .failure(failure) }
    }

    var verdicts: Result<[LeaseVerdict], MillraceError> {
        if case .success(.verdicts(let verdicts)) = self { .success(verdicts) } else { .failure(failure) }
    }

    var jobs: Result<[Job], MillraceError> {
        if case .success(.jobs(let jobs)) = self { .success(jobs) } else { .failure(failure) }
    }
}
