import Foundation
import MillraceCore
import MillraceInference
import MillraceRunnerONNX
import Testing

struct ONNXModelRunnerTests {
    @Test func `the signature names every port with its type and shape`() async throws {
        let runner = try await runner("kinds")
        let signature = try #require(runner.signature)
        #expect(signature.inputs == [
            .init(name: "a", element: .int32, shape: [-1, 2]), .init(name: "b", element: .uint8, shape: [-1, 2]),
        ])
        #expect(signature.outputs.map(\.element) == [.int32, .uint8, .float64])
        await runner.close()
        #expect(runner.signature == nil)
    }

    @Test func `items are stacked and answered in order`() async throws {
        let outcomes = try await runner("double").run((0..<5).map { ["x": Tensor([Float($0), 1, 2], shape: [3])] })
        #expect(outcomes.map { $0.tensors?["y"] } == (0..<5).map { Tensor([Float($0) * 2, 2, 4], shape: [3]) })
    }

    @Test func `items of other shapes run in calls of their own`() async throws {
        let items = [[1, 2], [3], [4, 5], [6, 7, 8]] as [[Float]]
        let outcomes = try await runner("any-size").run(items.map { ["x": Tensor($0, shape: [$0.count])] })
        #expect(outcomes.map { $0.tensors?["y"]?.floats } == items.map { $0.map { $0 * 2 } })
    }

    @Test(arguments: ["single", "pair"])
    func `a model with a fixed batch takes any number of items`(name: String) async throws {
        let runner = try await runner(name)
        for count in 1...5 {
            let outcomes = try await runner.run((0..<count).map { ["x": Tensor([Float($0), 1, 2], shape: [3])] })
            #expect(outcomes.map { $0.tensors?["y"]?.floats } == (0..<count).map { [Float($0) * 2, 2, 4] })
        }
    }

    @Test func `texts are filled up when the model takes a mask`() async throws {
        let lengths = [3, 1, 7, 2, 4, 90, 6, 5, 60, 1]
        let outcomes = try await runner("masked").run(lengths.map { length in
            let ones = Tensor([Int64](repeating: 1, count: length), shape: [length])
            return ["input_ids": ones, "attention_mask": ones]
        })
        #expect(outcomes.map { $0.tensors?["sum"]?.integers } == lengths.map { [Int64($0)] })
    }

    @Test func `sequences are never filled up when the model takes no mask`() async throws {
        // The model multiplies by the length of the call's sequences, so filling up would show.
        let lengths = [3, 1, 3, 2]
        let outcomes = try await runner("unmasked").run(
            lengths.map { ["input_ids": Tensor([Int64](repeating: 1, count: $0), shape: [$0])] })
        #expect(outcomes.map { $0.tensors?["y"]?.integers } == lengths.map { [Int64($0 * $0)] })
    }

    @Test func `a file in ONNX Runtime's own format is mapped, and computes as the other does`() async throws {
        let path = try #require(Bundle.module.resourceURL).appending(path: "Fixtures/picky.ort").path
        let mapped = TensorModelRunner(ONNXModel(path: path, libraryCandidates: onnxRuntimeCandidates, options: .init(threads: 1)))
        try await mapped.load()
        let items = (0..<3).map { ["x": Tensor([Int64($0)], shape: [1])] }
        let outcomes = try await mapped.run(items)
        #expect(outcomes.map { $0.tensors?["y"]?.floats } == [[1], [2], [3]])
        let maps = try #require(try FileHandle(forReadingAtPath: "/proc/self/maps")?.readToEnd())
        #expect(String(decoding: maps, as: UTF8.self).contains("picky.ort"))
        await mapped.close()
    }

    @Test func `an item that does not fit fails alone`() async throws {
        let good = ["x": Tensor([1, 2, 3] as [Float], shape: [3])]
        let outcomes = try await runner("double").run([
            good, ["x": Tensor([1, 2] as [Float], shape: [2])], [:], ["z": Tensor([1] as [Float], shape: [1])],
            ["x": Tensor([1, 2, 3] as [Int64], shape: [3])], good,
        ])
        #expect(outcomes[0].tensors != nil && outcomes[5].tensors != nil)
        #expect(outcomes[1...4].map { $0.failure?.code } == Array(repeating: "invalid_input", count: 4))
        #expect(outcomes[1].failure?.message == "the model's input \"x\" has the shape [3], not [2]")
        #expect(outcomes[3].failure?.hint == "it takes x")
    }

    @Test func `an output without the batch axis fails the batch, or belongs to the single item`() async throws {
        let item = ["x": Tensor([1, 2, 3] as [Float], shape: [3])]
        let total = try await runner("total")
        let error = await #expect(throws: BatchFailure.self) { try await total.run([item, item]) }
        guard case .unattributed(let failure)? = error else { Issue.record("not unattributed"); return }
        #expect(failure.code == "model_error")
        let single = try await runner("total-single").run([item])
        #expect(single[0].tensors?["y"] == Tensor([6] as [Float], shape: []))
    }

    @Test func `an error inside of the model is the batch's, and the session stays good`() async throws {
        let picky = try await runner("picky")
        let bad = ["x": Tensor([99] as [Int64], shape: [1])]
        let good = ["x": Tensor([2] as [Int64], shape: [1])]
        let error = await #expect(throws: BatchFailure.self) { try await picky.run([good, bad]) }
        guard case .unattributed(let failure)? = error else { Issue.record("not unattributed"); return }
        #expect(failure.code == "model_error" && !failure.retryable)
        #expect(try await picky.run([good])[0].tensors?["y"]?.floats == [3])
    }

    @Test func `no memory is told apart`() async throws {
        let greedy = try await runner("greedy")
        // The model fills an array of this length: four terabytes.
        let long = ["x": Tensor([1_000_000_000_000] as [Int64], shape: [])]
        let error = await #expect(throws: BatchFailure.self) { try await greedy.run([long]) }
        guard case .outOfMemory? = error else { Issue.record("\(String(describing: error))"); return }
    }

    @Test func `int32 and uint8 go through unchanged, and doubles come out`() async throws {
        let a = Tensor(element: .int32, shape: [2], bytes: [1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF])
        let b = Tensor(element: .uint8, shape: [2], bytes: [7, 255])
        let outcome = try await runner("kinds").run([["a": a, "b": b]])[0]
        #expect(outcome.tensors == ["c": a, "d": b, "e": Tensor([1.0, -1.0], of: .float64, shape: [2])])
    }

    @Test func `models and libraries that cannot be used are unavailable, with a hint`() async throws {
        func code(model: String, candidates: [String]) async -> ErrorCode? {
            do {
                try await TensorModelRunner(ONNXModel(path: model, libraryCandidates: candidates)).load()
                return nil
            } catch {
                let error = error as? MillraceError
                #expect(error?.hint != nil)
                return error?.code
            }
        }
        let folder = try #require(Bundle.module.resourceURL).appending(path: "Fixtures").path
        #expect(await code(model: folder + "/none.onnx", candidates: onnxRuntimeCandidates) == .modelUnavailable)
        #expect(await code(model: folder + "/make_fixtures.py", candidates: onnxRuntimeCandidates) == .modelUnavailable)
        #expect(await code(model: folder + "/scalar-input.onnx", candidates: onnxRuntimeCandidates) == .modelUnavailable)
        #expect(await code(model: folder + "/double.onnx", candidates: ["/nowhere", "/nowhere/*/lib"]) == .modelUnavailable)
        #expect(await code(model: folder + "/double.onnx", candidates: [folder + "/make_fixtures.py"]) == .modelUnavailable)
        #expect(await code(model: folder + "/double.onnx", candidates: ["/lib/x86_64-linux-gnu/libm.so.6", "/usr/lib/libm.so.6"]) == .modelUnavailable)
    }

    @Test func `a model that quantises at run time is tried when it is loaded, and what was found is told`() async throws {
        let runner = try await runner("dynamic-int8")
        #expect(runner.remarks.count == 1)
        let drift = try #require(try await runner.measureDrift())
        #expect(drift.value > BatchDrift.limit && !drift.isTolerable)
    }

    @Test func `a model that computes each item for itself is not suspected, and measures as such`() async throws {
        let runner = try await runner("double")
        #expect(runner.remarks.isEmpty)
        #expect(try await runner.measureDrift() == BatchDrift(0))
        #expect(try await MillraceRunnerONNXTests.runner("single").measureDrift() == nil, "one item a call")
    }

    @Test(arguments: [
        ("models/efficientnet-lite0/efficientnet-lite0.onnx", false), ("models/minilm-sentiment/minilm-sentiment-w8.onnx", false),
        ("models/pp-ocr/PP-OCRv6_rec_small.onnx", false), ("Tests/MillraceRunnerONNXTests/Fixtures/dynamic-int8.onnx", true),
        ("README.md", false), ("nowhere.onnx", false),
    ])
    func `whether a model quantises at run time is told from its nodes in no time`(path: String, quantises: Bool) {
        let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let model = ONNXModel(path: repository.path + "/" + path, libraryCandidates: [])
        #expect(model.quantizesAtRunTime == quantises)
        let taken = ContinuousClock().measure { _ = model.quantizesAtRunTime }
        print("\(path): \(taken)")
    }

    @Test func `a runner that was not loaded says so`() async throws {
        let runner = TensorModelRunner(ONNXModel(path: "x.onnx", libraryCandidates: []))
        await #expect(throws: MillraceError.self) { try await runner.run([["x": Tensor([1] as [Float], shape: [1])]]) }
    }

    @Test func `calls and failures leave no memory behind`() async throws {
        let picky = try await runner("picky")
        let double = try await runner("any-size")
        let large = ["x": Tensor([Float](repeating: 1, count: 1_000_000), shape: [1_000_000])]
        let bad = ["x": Tensor([99] as [Int64], shape: [1])]
        func round(_ count: Int) async throws {
            for _ in 0..<count {
                _ = try await double.run([large])
                _ = try? await picky.run([bad])
            }
        }
        try await round(10)
        let before = try residentBytes()
        try await round(800)
        // 800 lost outputs would be 3,200 MB; tests that run beside this one, OCR above all, take memory too.
        #expect(try residentBytes() - before < 2_000_000_000)
    }
}

private func residentBytes() throws -> Int {
    #if os(Linux)
    let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")[1]
    return (Int(pages) ?? 0) * 4096
    #else
    return 0
    #endif
}
