import Foundation
import MillraceCore
import MillraceInference
import MillraceWire
import Testing

@testable import MillraceRunnerProcess

@Suite("Memory shared with a handler", .timeLimit(.minutes(1)))
struct SharedMemoryTests {
    func image(_ bytes: [UInt8], shape: [Int]) throws -> SharedTensor {
        let segment = try SharedSegment.make(byteCount: 64 + bytes.count) { UnsafeMutableRawBufferPointer(rebasing: $0[64...]).copyBytes(from: bytes) }
        return SharedTensor(segment: segment, element: .uint8, shape: shape, offset: 64)
    }

    func item(_ fixture: RunnerFixture, _ id: ItemID, _ input: JSONValue, image: SharedTensor) throws -> InferenceItem {
        let file = HandlerRequest.File(name: "file", filename: "a.png", path: "/nowhere", mediaType: "image/png", bytes: 1)
        var item = try fixture.item(id, input, files: [file])
        guard case .request(var request) = item.payload else { preconditionFailure("the fixture makes requests") }
        request.images = [image]
        item.payload = .request(request)
        return item
    }

    @Test("brings images to it and tensors back, which are files that NumPy reads")
    func roundTrip() async throws {
        let fixture = try RunnerFixture(command: ["{python}", "shim_peer.py"])
        let items = try (1...3).map { try item(fixture, ItemID($0), "image", image: image([UInt8($0), 2, 3, 4, 5, 6], shape: [1, 2, 3])) }
        let outcomes = try await fixture.runner.run(items, observer: fixture.observer)
        for (index, outcome) in outcomes.enumerated() {
            guard case .reply(let reply) = outcome else { return #expect(Bool(false), "\(outcome)") }
            #expect(reply.json == ["shape": [1, 2, 3], "sum": .integer(Int64(21 + index))])
            #expect(reply.outputs.map(\.name) == ["pixels.npy"] && reply.outputs[0].mediaType == "application/x-npy")
            let file = try Data(contentsOf: URL(filePath: reply.outputs[0].path))
            #expect(file.count == 128 + 6 && file.suffix(6) == Data([UInt8(index + 1), 2, 3, 4, 5, 6]))
        }
        await fixture.runner.close()
    }

    @Test("is still there when the handler has died after its answer")
    func outlives() async throws {
        let fixture = try RunnerFixture()
        let outcome = try #require(try await fixture.run("tensor then die").only)
        guard case .reply(let reply) = outcome else { return #expect(Bool(false), "\(outcome)") }
        #expect(try Data(contentsOf: URL(filePath: reply.outputs[0].path)).suffix(4) == Data("abcd".utf8))
        await fixture.runner.close()
    }

    @Test(
        "is not taken when it is not what the handler says",
        arguments: ["unsealed", "too long", "unfit", "negative", "huge", "elsewhere", "closed", "name", "a gigabyte"])
    func refused(what: String) async throws {
        let fixture = try RunnerFixture()
        let failure = try #require(try await fixture.run(.string("tensor " + what)).only?.failure)
        #expect(failure.code == (what == "a gigabyte" ? "too_large" : "handler_protocol"), "\(failure)")
        #expect(try await fixture.run("next").only?.json == ["echo": "next"], "the handler lives")
        await fixture.runner.close()
    }

    @Test("has room for some answers of a batch; the others are run again, and only one that is too large alone fails")
    func crowded() async throws {
        let fixture = try RunnerFixture { $0.tensorBytesMax = 10 }
        // Three at a time: the handler says so.
        let outcomes = try await fixture.run("tensor fine", "tensor a gigabyte", "tensor fine", "tensor fine", "tensor fine", "tensor fine", "text")
        for (index, outcome) in outcomes.enumerated() {
            switch outcome {
            case .failed(let failure): #expect(index == 1 && failure.code == "too_large", "\(failure)")
            case .reply(let reply) where index < 6:
                #expect(index != 1)
                #expect(try Data(contentsOf: URL(filePath: reply.outputs[0].path)).suffix(4) == Data("abcd".utf8))
            case .reply(let reply): #expect(reply.json == ["echo": "text"])
            default: Issue.record("item \(index): \(outcome)")
            }
        }
        await fixture.runner.close()
    }

    @Test("keeps the answers that fit, takes nothing from them for one that does not, and has others wait for their turn")
    func taking() throws {
        let segment = try SharedSegment.make(byteCount: 10) { _ in }
        func tensors(_ sizes: Int...) -> [NamedTensor] {
            sizes.map { .init(name: "t", tensor: HandlerTensor(datatype: .uint8, shape: [$0], path: segment.path, offset: 0, bytes: $0)) }
        }
        func bytes(_ outcome: TensorTaking.Outcome) -> Int? {
            if case .taken(let taken) = outcome { taken.reduce(0) { $0 + $1.tensor.bytes } } else { nil }
        }
        var taking = TensorTaking(bytesMax: 10)
        guard case .refused(let failure) = taking.take(tensors(5, 6)) else { return #expect(Bool(false), "11 bytes were taken") }
        #expect(failure.code == "too_large" && !failure.retryable)
        #expect(bytes(taking.take(tensors(6))) == 6)
        #expect(taking.take(tensors(5)) == .crowded)
        #expect(bytes(taking.take(tensors(1, 3))) == 4)
        #expect(taking.take(tensors(1)) == .crowded)
    }

    @Test("cannot become a file on a full disk, which is not the job's fault")
    func full() throws {
        let disk = try #require(FileHandle(forWritingAtPath: "/dev/full"))
        let error = try #require(throws: (any Error).self) { try disk.write(contentsOf: Data([1])) }
        for error in [error, POSIXError(.EDQUOT)] { #expect(ArrayFile.failure(error, writing: "t").code == "storage_full") }
        #expect(ArrayFile.failure(POSIXError(.EIO), writing: "t").code == "internal_error")
    }

    @Test("is no question for a handler that does not announce it, unless the model needs it")
    func announced() {
        var session = HandlerSession(limits: ProcessRunnerLimits(), requires: [.sharedMemory])
        _ = session.received(.hello(.init(pid: 1)) as HandlerControlMessage)
        _ = session.received(.hello(.init()) as HandlerWorkMessage)
        _ = session.received(.ready(.init(batchMax: 1, features: ["later"])))
        #expect(session.phase == .ending(.lacking([.sharedMemory])))
        let failure = session.failure(.lacking([.sharedMemory]))
        #expect(failure.code == "model_unavailable" && failure.message.hasSuffix("does not announce: shm"))
    }

    @Test("has a header of 64 bytes or a multiple, whatever the shape")
    func header() {
        let tensor = HandlerTensor(datatype: .float32, shape: [2, 3], path: "", offset: 0, bytes: 24)
        let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"
        let header = ArrayFile.header(tensor)
        #expect(header.count == 128 && header.prefix(10) == Data([0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, 1, 0, 118, 0]))
        #expect(String(decoding: header.dropFirst(10), as: UTF8.self) == text + String(repeating: " ", count: 117 - text.count) + "\n")
        for axes in 0...HandlerTensor.axesMax {
            let shape = Array(repeating: 1_000_000_000, count: axes)
            #expect(ArrayFile.header(.init(datatype: .uint8, shape: shape, path: "", offset: 0, bytes: 0)).count % 64 == 0)
        }
    }
}
