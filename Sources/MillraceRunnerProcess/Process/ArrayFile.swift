import Foundation
import MillraceCore
import MillraceInference
import MillraceWire

/// NumPy's file format, version 1.0: an array's type and shape as text, and its bytes.
///
/// Source: NumPy, `numpy/lib/format.py`, <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.
enum ArrayFile {
    static let mediaType = "application/x-npy"
    private static let alignment = 64

    /// Writes each tensor into a file of its own.
    /// - Returns: the files as outputs, `NAME.npy`.
    static func write(_ tensors: [TakenTensor], into workdir: String) throws(JobFailure) -> [HandlerWorkMessage.Result.Output] {
        var outputs: [HandlerWorkMessage.Result.Output] = []
        for (index, taken) in tensors.enumerated() {
            let path = "\(workdir)/.millrace-tensor-\(index)"
            do {
                try write(taken, to: path)
            } catch let failure as JobFailure {
                throw failure
            } catch {
                throw failure(error, writing: taken.name)
            }
            outputs.append(.init(name: taken.name + ".npy", path: path, mediaType: mediaType))
        }
        return outputs
    }

    /// A full disk is not the job's fault: it is given back uncounted.
    static func failure(_ error: any Error, writing name: String) -> JobFailure {
        JobFailure(
            error.isNoSpace ? .storageFull : .internal, "the tensor \"\(name.prefix(100))\" cannot be written: \(error)",
            hint: error.isNoSpace ? "free space on the disk of the data directory" : nil, retryable: true)
    }

    private static func write(_ taken: TakenTensor, to path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        try file.write(contentsOf: header(taken.tensor))
        let range = taken.tensor.offset..<taken.tensor.offset + taken.tensor.bytes
        try taken.segment.withBytes(range) { bytes in
            guard let address = bytes.baseAddress else { return }
            // Not copied: it is only read while this call lasts.
            try file.write(
                contentsOf: Data(bytesNoCopy: UnsafeMutableRawPointer(mutating: address), count: bytes.count, deallocator: .none))
        }
        try file.close()
    }

    /// Everything in front of the bytes, a multiple of 64 bytes long.
    static func header(_ tensor: HandlerTensor) -> Data {
        let shape = tensor.shape.count == 1 ? "(\(tensor.shape[0]),)" : "(\(tensor.shape.map(String.init).joined(separator: ", ")))"
        var text = "{'descr': '\(tensor.datatype.descriptor)', 'fortran_order': False, 'shape': \(shape), }"
        let start = 10
        let room = (start + text.utf8.count + 1 + alignment - 1) / alignment * alignment
        text += String(repeating: " ", count: room - start - text.utf8.count - 1) + "\n"
        let length = UInt16(text.utf8.count)
        return Data([0x93]) + Data("NUMPY".utf8) + Data([1, 0, UInt8(length & 0xFF), UInt8(length >> 8)]) + Data(text.utf8)
    }
}

extension Error {
    /// Whether the disk or the user's part of it is full.
    fileprivate var isNoSpace: Bool {
        switch self {
        case let error as CocoaError: error.code == .fileWriteOutOfSpace || error.underlying?.isNoSpace == true
        case let error as POSIXError: error.code == .ENOSPC || error.code == .EDQUOT
        default: false
        }
    }
}

extension ElementType {
    /// NumPy's name: byte order, kind, and bytes. Millrace runs on little-endian machines.
    fileprivate var descriptor: String {
        switch self {
        case .bool: "|b1"
        case .uint8: "|u1"
        case .int8: "|i1"
        case .uint16, .uint32, .uint64: "<u\(byteCount)"
        case .int16, .int32, .int64: "<i\(byteCount)"
        case .float16, .float32, .float64: "<f\(byteCount)"
        }
    }
}
