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
