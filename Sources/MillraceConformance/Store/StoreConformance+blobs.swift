import MillraceCore
import MillraceQueue
import MillraceTestSupport

extension StoreConformance {
    static let blobs: [StoreCase] = [
        promise("a blob is reserved, sealed, claimed and forgotten") { bench in
            var record = BlobRecord.fixture(in: bench.surroundings)
            record.filename = "scan.png"
            try await bench.store.reserve(record)
            try expectEqual(try await bench.store.blob(record.id), record, "reserved")
            try await bench.store.seal(record.id, bytes: 42, sha256: "cd", mediaType: "image/png")
            (record.state, record.bytes, record.sha256, record.mediaType) = (.stored, 42, "cd", "image/png")
            try expectEqual(try await bench.store.blob(record.id), record, "sealed")
            try expectEqual(try await bench.collect(), [record.id], "claimed")
            try expectEqual(try await bench.store.blob(record.id)?.state, .deleting, "state")
            try await bench.store.forget([record.id])
            try expectEqual(try await bench.store.blob(record.id), nil, "forgotten")
        },
        promise("only a pending blob can be sealed, and an id is reserved once") { bench in
            let id: BlobID = bench.surroundings.makeID()
            try await bench.expectError(.blobUnknown) { try await bench.store.seal(id, bytes: 1, sha256: "", mediaType: "") }
            let file = try await bench.reserved()
            try await bench.store.seal(file.blob, bytes: 1, sha256: "", mediaType: "a/b")
            try await bench.expectError(.blobUnknown) { try await bench.store.seal(file.blob, bytes: 2, sha256: "", mediaType: "a/b") }
            try await bench.expectError(.stateConflict) { try await bench.store.reserve(.fixture(id: file.blob, in: bench.surroundings)) }
        },
        promise("blobs are reserved together, all or none") { bench in
            let records = (0..<3).map { _ in BlobRecord.fixture(in: bench.surroundings) }
            try await bench.store.reserve(records)
            for record in records { try expectEqual(try await bench.store.blob(record.id), record, "reserved") }
            let new = BlobRecord.fixture(in: bench.surroundings)
            try await bench.expectError(.stateConflict) { try await bench.store.reserve([new, records[1]]) }
            try expectEqual(try await bench.store.blob(new.id), nil, "beside one that was there")
        },
        promise("a blob that is not being deleted cannot be forgotten") { bench in
            let file = try await bench.reserved()
            try await bench.store.forget([file.blob])
            try expectEqual(try await bench.store.blob(file.blob)?.state, .pending, "state")
        },
        promise("a collection that was interrupted goes on with the same blobs") { bench in
            let file = try await bench.reserved()
            try expectEqual(try await bench.collect(), [file.blob], "first")
            try expectEqual(try await bench.collect(), [file.blob], "again")
        },
        promise("young blobs are left alone, pending and stored ones by their own age") { bench in
            let pending = try await bench.reserved()
            let stored = try await bench.reserved()
            try await bench.store.seal(stored.blob, bytes: 1, sha256: "", mediaType: "a/b")
            bench.clock.advance(by: .seconds(60))
            try expectEqual(try await bench.collect(pendingOlderThan: .seconds(120), unusedOlderThan: .seconds(120)), [], "young")
            try expectEqual(try await bench.collect(pendingOlderThan: .seconds(120), unusedOlderThan: .seconds(30)), [stored.blob], "stored")
            try expectEqual(
                try await bench.collect(pendingOlderThan: .seconds(30), unusedOlderThan: .seconds(120)), [stored.blob, pending.blob], "pending")
        },
        promise("blobs of a job are kept while the job is, and may go when it was pruned") { bench in
            let input = try await bench.reserved()
            let job = try await bench.running(.fixture(files: [input], in: bench.surroundings))
            let output = try await bench.reserved(writer: job.id)
            try expectEqual(try await bench.collect(), [], "while it runs")
            _ = try await bench.settle(job, .succeeded(outputs: [output]))
            try expectEqual(try await bench.collect(), [], "when it has ended")
            _ = try await bench.prune(finishedBefore: bench.clock.now, limit: 10)
            try expectEqual(try await bench.collect(), [input.blob, output.blob], "after pruning")
        },
        promise("what a running job writes is kept, and goes when the attempt ended without it") { bench in
            let job = try await bench.running()
            let (pending, sealed) = (try await bench.reserved(writer: job.id), try await bench.reserved(writer: job.id))
            try await bench.store.seal(sealed.blob, bytes: 1, sha256: "", mediaType: "a/b")
            try expectEqual(try await bench.collect(), [], "while it runs")
            _ = try await bench.settle(job, .failed(.final))
            try expectEqual(try await bench.collect(), [pending.blob, sealed.blob], "afterwards")
        },
        promise("an upload that two jobs share stays until both are gone") { bench in
            let file = try await bench.reserved()
            for _ in 0..<2 {
                let job = try await bench.submit(.fixture(files: [file], in: bench.surroundings))
                _ = try await bench.store.cancel(job.id)
                bench.clock.advance(by: .seconds(1))
            }
            try expectEqual(try await bench.prune(finishedBefore: bench.clock.now, limit: 1), 1, "pruned")
            try expectEqual(try await bench.collect(), [], "one job left")
            try expectEqual(try await bench.prune(finishedBefore: bench.clock.now, limit: 1), 1, "pruned")
            try expectEqual(try await bench.collect(), [file.blob], "no job left")
        },
        promise("a file given twice to one job is one use") { bench in
            let file = try await bench.reserved()
            let job = try await bench.submit(.fixture(files: [file, .fixture(file.blob, name: "again")], in: bench.surroundings))
            _ = try await bench.store.cancel(job.id)
            try expectEqual(try await bench.collect(), [], "while the job is there")
            _ = try await bench.prune(finishedBefore: bench.clock.now, limit: 1)
            try expectEqual(try await bench.collect(), [file.blob], "afterwards")
        },
        promise("a repeated submit's own uploads are not used") { bench in
            let key = NewJob.Idempotency(key: "key", fingerprint: "body")
            let (first, second) = (try await bench.reserved(), try await bench.reserved())
            for file in [first, second] {
                _ = try await bench.store.admit([NewJob(job: .fixture(files: [file], in: bench.surroundings), idempotency: key)])
            }
            try expectEqual(try await bench.collect(), [second.blob], "collected")
        },
    ] + checkpoints

    private static let checkpoints: [StoreCase] = [
        promise("a new checkpoint takes the old one's place, whose bytes may go while the job runs on") { bench in
            let job = try await bench.running()
            let (first, second) = (try await bench.reserved(writer: job.id), try await bench.reserved(writer: job.id))
            for (file, position) in [(first, 1), (second, 2)] as [(JobFile, JSONValue)] {
                try expectEqual(try await bench.renew(job, checkpoint: JobCheckpoint(file: file, position: position)), .held, "verdict")
            }
            try expectEqual(try await bench.found(job).checkpoint, JobCheckpoint(file: second, position: 2), "checkpoint")
            try expectEqual(try await bench.store.blob(second.blob)?.state, .stored, "its blob")
            try expectEqual(try await bench.collect(), [first.blob], "collected")
        },
        promise("a later attempt finds the checkpoint, however long the job waited") { bench in
            let job = try await bench.running()
            let checkpoint = JobCheckpoint(file: try await bench.reserved(writer: job.id), position: ["page": 3])
            _ = try await bench.renew(job, checkpoint: checkpoint)
            _ = try await bench.crash(job)
            try expectEqual(try await bench.collect(), [], "while it waits")
            let again = try head(of: try await bench.lease(try await bench.worker()))
            try expectEqual(again.checkpoint, checkpoint, "checkpoint")
            _ = try await bench.settle(again, .failed(.final))
            try expectEqual(try await bench.collect(), [], "when it has failed and may be retried")
        },
        promise("the segments of a checkpoint stay as long as one names them, and go when they were merged") { bench in
            let job = try await bench.running()
            var segments: [JobFile] = []
            for _ in 0..<3 { segments.append(try await bench.reserved(writer: job.id)) }
            for count in 1...3 {
                let checkpoint = JobCheckpoint(position: .integer(Int64(count)), segments: Array(segments.prefix(count)))
                try expectEqual(try await bench.renew(job, checkpoint: checkpoint), .held, "verdict")
            }
            _ = try await bench.crash(job)
            let again = try head(of: try await bench.lease(try await bench.worker()))
            try expectEqual(again.checkpoint, JobCheckpoint(position: 3, segments: segments), "checkpoint")
            try expectEqual(try await bench.collect(), [], "while they are named")
            let merged = try await bench.reserved(writer: job.id)
            try expectEqual(try await bench.renew(again, checkpoint: JobCheckpoint(position: 3, segments: [merged, segments[2]])), .held, "verdict")
            try expectEqual(try await bench.collect(), [segments[0].blob, segments[1].blob], "merged")
            _ = try await bench.settle(again, .succeeded(outputs: [segments[2]]))
            try expectEqual(try await bench.collect().contains(merged.blob), true, "at the end")
        },
        promise("a checkpoint with a segment that is not there is left out") { bench in
            let job = try await bench.running()
            let there = try await bench.reserved(writer: job.id)
            let checkpoint = JobCheckpoint(position: 1, segments: [there, .fixture(bench.surroundings.makeID())])
            try expectEqual(try await bench.renew(job, checkpoint: checkpoint), .held, "verdict")
            try expectEqual(try await bench.found(job).checkpoint, nil, "checkpoint")
        },
        promise("a success needs its checkpoint no longer") { bench in
            let job = try await bench.running()
            let file = try await bench.reserved(writer: job.id)
            _ = try await bench.renew(job, checkpoint: JobCheckpoint(file: file, position: 1))
            _ = try await bench.settle(job, .succeeded(outputs: []))
            try expectEqual(try await bench.found(job).checkpoint, nil, "checkpoint")
            try expectEqual(try await bench.collect(), [file.blob], "collected")
        },
        promise("a checkpoint may become the result") { bench in
            let job = try await bench.running()
            let file = try await bench.reserved(writer: job.id)
            _ = try await bench.renew(job, checkpoint: JobCheckpoint(file: file, position: 1))
            _ = try await bench.settle(job, .succeeded(outputs: [file]))
            try expectEqual(try await bench.collect(), [], "collected")
        },
        promise("a checkpoint whose bytes were never announced is left out, and the lease is renewed") { bench in
            let job = try await bench.running()
            let nowhere = JobCheckpoint(file: .fixture(bench.surroundings.makeID()), position: 1)
            bench.clock.advance(by: .seconds(5))
            try expectEqual(try await bench.renew(job, checkpoint: nowhere), .held, "verdict")
            let found = try await bench.found(job)
            try expectEqual(found.checkpoint, nil, "checkpoint")
            try expectEqual(found.lease?.expiresAt, bench.clock.now + .seconds(15), "end of the lease")
        },
    ]
}
