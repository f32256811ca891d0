import Foundation
import Testing

@testable import MillraceLocal

@Suite("The GPUs of a machine") struct GPUSetTests {
    @Test("are all of it unless the operator names some", arguments: [
        (0, nil, []), (2, nil, ["0", "1"]), (4, "2,0", ["2", "0"]), (4, "", []), (4, "-1", []), (4, "1,-1,2", ["1"]), (2, "1,5", ["1"]),
        (2, "1,1", ["1"]), (2, "GPU-8932f937, 1", ["GPU-8932f937", "1"]), (0, "0", []),
    ] as [(Int, String?, [String])])
    func names(count: Int, visible: String?, expected: [String]) {
        #expect(GPUSet(count: count, visible: visible).names == expected)
    }

    @Test("go to new workers so that each has about as many")
    func next() {
        let gpus = GPUSet(count: 3, visible: "0,2")
        #expect(gpus.next(taken: []) == "0")
        #expect(gpus.next(taken: ["0"]) == "2")
        #expect(gpus.next(taken: ["0", "2"]) == "0")
        #expect(gpus.next(taken: ["0", "0", "2", "1"]) == "2")
        #expect(GPUSet(count: 0, visible: nil).next(taken: []) == nil)
    }

    @Test("are found in the environment of a worker that an earlier server started")
    func adopted() {
        let gpus = GPUSet(count: 2, visible: nil)
        #expect(gpus.pin(inEnvironment: Data("PATH=/bin\0CUDA_VISIBLE_DEVICES=1\0HOME=/\0".utf8)) == "1")
        #expect(gpus.pin(inEnvironment: Data("CUDA_VISIBLE_DEVICES=0,1\0".utf8)) == nil)
        #expect(gpus.pin(inEnvironment: Data("PATH=/bin\0".utf8)) == nil)
    }
}
