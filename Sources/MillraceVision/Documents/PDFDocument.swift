import CPoppler
import Foundation
import MillraceCore

/// The pages of a PDF file as images, through poppler and cairo.
///
/// poppler may abort the process on a damaged or hostile file, and cannot be stopped while it draws: files of strangers
/// belong into a process of their own. A document is used by one thread at a time.
public final class PDFDocument {
    /// Whether poppler can be loaded here.
    public static var isAvailable: Bool { millrace_poppler_start() == 0 }

    private let document: UnsafeMutableRawPointer
    public let pageCount: Int

    /// - Throws: `pdf_encrypted`, `pdf_damaged`, `input_unavailable`; `model_unavailable` where poppler is missing.
    public init(path: String) throws(JobFailure) {
        guard millrace_poppler_start() == 0 else {
            throw JobFailure(
                .modelUnavailable, "poppler (libpoppler-glib.so.8) cannot be loaded", hint: "install it: apt-get install libpoppler-glib8",
                retryable: true)
        }
        var error = MILLRACE_PDF_DAMAGED
        var message = [CChar](repeating: 0, count: 256)
        guard let document = millrace_pdf_open(path, &error, &message, message.count) else {
            throw Self.failure(error, String(decoding: message.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self))
        }
        self.document = document
        pageCount = Int(millrace_pdf_page_count(document))
    }

    deinit { millrace_pdf_close(document) }

    private static func failure(_ error: MillracePDFError, _ reason: String) -> JobFailure {
        switch error {
        case MILLRACE_PDF_UNREADABLE: JobFailure(.inputUnavailable, "the PDF cannot be read", retryable: true)
        case MILLRACE_PDF_ENCRYPTED:
            JobFailure(.pdfEncrypted, "the PDF is protected by a password", hint: "remove the password, then send it again")
        default: damaged("the PDF is damaged" + (reason.isEmpty ? "" : ": \(reason)"))
        }
    }

    static func damaged(_ message: String) -> JobFailure {
        JobFailure(.pdfDamaged, message, hint: "open it in a viewer and print it into a new PDF, then send that")
    }

    /// A page, the first one being 0. A scanned page that is nothing but one image is given in the image's own resolution,
    /// every other one is drawn.
    ///
    /// - Parameter pixelsMax: Of the page in that resolution.
    /// - Throws: `pdf_damaged`, `image_too_large`.
    public func page(_ number: Int, dpi: Double, pixelsMax: Int64) throws(JobFailure) -> RGBImage {
        var (width, height) = (0.0, 0.0)
        guard millrace_pdf_page_size(document, Int32(clamping: number), &width, &height) == 0, width > 0, height > 0 else {
            throw Self.damaged("page \(number + 1) of the PDF has no size")
        }
        guard width * dpi / 72 * (height * dpi / 72) <= Double(pixelsMax) else {
            // As floating point numbers: a page may claim to be larger than any integer.
            let size = "\((width * dpi / 72).rounded()) x \((height * dpi / 72).rounded())"
            throw JobFailure(
                .imageTooLarge, "page \(number + 1) has \(size) pixels at \(Int(dpi)) dpi, more than the \(pixelsMax) allowed",
                hint: "ask for a lower dpi; 150 is enough for print of usual size")
        }
        guard let page = image(millrace_pdf_render, number, dpi) else { throw Self.damaged("page \(number + 1) of the PDF cannot be drawn") }
        guard millrace_pdf_has_one_image(document, Int32(clamping: number)) != 0 else { return page }
        if let scan = image(millrace_pdf_only_image, number, pixelsMax) {
            return PageComparison.isSame(scan, page, dpi: dpi) ? scan : page
        }
        // poppler leaves out what it has no memory for: an empty page would be taken for one without text.
        guard !page.withPixels({ $0.allSatisfy { $0 == 255 } }) else {
            throw JobFailure(
                .imageTooLarge, "the image on page \(number + 1) is damaged, or takes too much memory",
                hint: "scan the page with fewer pixels; 300 dpi are enough")
        }
        return page
    }

    private func image<Parameter>(
        _ make: (UnsafeMutableRawPointer, Int32, Parameter, UnsafeMutablePointer<Int32>, UnsafeMutablePointer<Int32>) -> UnsafeMutablePointer<UInt8>?,
        _ number: Int, _ parameter: Parameter
    ) -> RGBImage? {
        var (width, height): (Int32, Int32) = (0, 0)
        guard let pixels = make(document, Int32(clamping: number), parameter, &width, &height) else { return nil }
        let storage = PixelStorage(owned: pixels, byteCount: Int(width) * Int(height) * 3) { millrace_pdf_pixels_free($0) }
        return RGBImage(width: Int(width), height: Int(height), storage: storage)
    }
}

/// Whether a page shows one image and nothing else: no stamp on top, not turned, not cropped.
enum PageComparison {
    /// Both are cut into so many parts an inch before they are compared: a drawn line is never exactly where a scanned one is.
    private static let partsPerInch = 10.0
    /// Of 255, in any part.
    private static let differenceMax = 24

    static func isSame(_ scan: RGBImage, _ page: RGBImage, dpi: Double) -> Bool {
        func parts(_ length: Int) -> Int { max(1, Int(Double(length) / dpi * partsPerInch)) }
        let (columns, rows) = (parts(page.width), parts(page.height))
        return zip(grays(of: scan, columns, rows), grays(of: page, columns, rows)).allSatisfy { abs($0 - $1) <= differenceMax }
    }

    /// The mean brightness of each part of an image.
    private static func grays(of image: RGBImage, _ columns: Int, _ rows: Int) -> [Int] {
        image.withPixels { pixels in
            var grays: [Int] = []
            for row in 0..<rows {
                let lines = (row * image.height / rows)..<max((row + 1) * image.height / rows, row * image.height / rows + 1)
                for column in 0..<columns {
                    let places = (column * image.width / columns)..<max((column + 1) * image.width / columns, column * image.width / columns + 1)
                    var sum = 0
                    for line in lines {
                        for place in places {
                            let index = (line * image.width + place) * 3
                            sum += Int(pixels[index]) * 299 + Int(pixels[index + 1]) * 587 + Int(pixels[index + 2]) * 114
                        }
                    }
                    grays.append(sum / (lines.count * places.count * 1000))
                }
            }
            return grays
        }
    }
}
