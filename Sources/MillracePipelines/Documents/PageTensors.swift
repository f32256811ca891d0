import MillraceCore
import MillraceInference
import MillraceVision

/// A page as an item's tensors: `image`, `uint8 [height, width, 3]`.
enum PageImage {
    static func tensors(of image: RGBImage) -> [String: Tensor] {
        ["image": Tensor(element: .uint8, shape: [image.height, image.width, 3], bytes: image.pixels)]
    }

    static func image(in tensors: [String: Tensor]) -> RGBImage? {
        guard let tensor = tensors["image"], tensor.element == .uint8, tensor.shape.count == 3, tensor.shape[2] == 3 else { return nil }
        return RGBImage(width: tensor.shape[1], height: tensor.shape[0], pixels: tensor.bytes)
    }
}

/// What was read on a page, in no order: as an item's tensors `polygons` (`float32 [lines, 4, 2]`, x and y in pixels), `confidences`
/// (`float32 [lines]`) and `text` (`uint8`, UTF-8, a line feed after each line).
struct PageLines: Sendable, Equatable {
    struct Line: Sendable, Equatable {
        var corners: [ImagePoint]
        var text: String
        var confidence: Float
    }
    var lines: [Line]

    var tensors: [String: Tensor] {
        let places = lines.flatMap { $0.corners.flatMap { [Float($0.x), Float($0.y)] } }
        let text = lines.flatMap { Array($0.text.utf8) + [UInt8(ascii: "\n")] }
        return [
            "polygons": Tensor(places, shape: [lines.count, 4, 2]), "confidences": Tensor(lines.map(\.confidence), shape: [lines.count]),
            "text": Tensor(element: .uint8, shape: [text.count], bytes: text),
        ]
    }

    init(lines: [Line]) { self.lines = lines }

    init?(_ tensors: [String: Tensor]) {
        guard let polygons = tensors["polygons"]?.floats, let confidences = tensors["confidences"]?.floats, let text = tensors["text"] else {
            return nil
        }
        let texts = text.bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast()
        guard texts.count == confidences.count, polygons.count == confidences.count * 8 else { return nil }
        lines = zip(texts, confidences).enumerated().map { index, line in
            let corners = (0..<4).map { ImagePoint(x: Double(polygons[index * 8 + $0 * 2]), y: Double(polygons[index * 8 + $0 * 2 + 1])) }
            return Line(corners: corners, text: String(decoding: line.0, as: UTF8.self), confidence: line.1)
        }
    }
}
