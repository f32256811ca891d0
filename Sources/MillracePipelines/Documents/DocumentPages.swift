import Foundation
import MillraceCore
import MillraceInference
import MillraceVision
import Synchronization

/// How PDF files are opened: in a process of their own, or, for tests, in this one.
public struct PDFOpener: Sendable {
    /// Gives a document's pages, one at a time, to one thread at a time.
    struct Document: Sendable {
        var pageCount: Int
        var page: @Sendable (_ number: Int, _ dpi: Double, _ pixelsMax: Int64) throws(JobFailure) -> RGBImage
        /// Ends a page that takes too long, from any thread.
        var stop: @Sendable () -> Void = {}
    }

    let open: @Sendable (_ path: String) throws(JobFailure) -> Document

    /// Documents of one's own: a damaged one may end this process.
    public static let inThisProcess = PDFOpener { path throws(JobFailure) in
        let document = try ConfinedDocument(path)
        return Document(pageCount: document.pageCount) { number, dpi, pixelsMax throws(JobFailure) in
            try document.page(number, dpi, pixelsMax)
        }
    }

    /// Each document in a process that this command starts.
    public static func process(_ command: RasterizerProcess.Command) -> PDFOpener {
        PDFOpener { path throws(JobFailure) in
            let process = try RasterizerProcess(command, path: path)
            return Document(
                pageCount: process.pageCount,
                page: { number, dpi, pixelsMax throws(JobFailure) in try process.page(number, dpi: dpi, pixelsMax: pixelsMax) },
                stop: { process.stop() })
        }
    }
}

/// The pages of a job: of all its files, in order, none decoded before its turn.
struct DocumentPages: Sendable {
    struct Page: Sendable {
        var file: String
        /// From 1.
        var number: Int
        /// What the page is called in an error.
        var title: String
        var image: @Sendable () throws(JobFailure) -> RGBImage
        /// Ends ``image`` early, from any thread.
        var stop: @Sendable () -> Void = {}
    }

    let pages: [Page]

    /// Opens the files; of images, only headers are read.
    ///
    /// - Parameters:
    ///   - selection: Which pages of each file; `nil`: all.
    ///   - dpi: For pages of PDF files that are not plain scans.
    ///   - isCancelled: Asked before each file.
    init(
        _ files: [HandlerRequest.File], selection: PageSelection?, dpi: Double, limits: EndpointLimits, pdf: PDFOpener,
        isCancelled: () -> Bool = { false }
    ) throws(JobFailure) {
        var pages: [Page] = []
        for file in files where !isCancelled() {
            do throws(JobFailure) {
                pages += try Self.pages(of: file, selection, dpi, limits, pdf)
            } catch {
                throw error.about(file)
            }
            guard pages.count <= limits.pagesMax else { throw Self.tooMany(pages.count, limits) }
        }
        self.pages = pages
    }

    private static func pages(
        of file: HandlerRequest.File, _ selection: PageSelection?, _ dpi: Double, _ limits: EndpointLimits, _ pdf: PDFOpener
    ) throws(JobFailure) -> [Page] {
        if file.mediaType == "application/pdf" {
            // Closed again: a job of many files must not hold a process for each.
            let numbers = try numbers(of: try pdf.open(file.path).pageCount, selection, limits)
            let document = DocumentInTurn(file.path, pdf, pages: numbers.count)
            return numbers.map { number in
                Page(
                    file: file.displayName, number: number, title: "\(file.displayName), page \(number)",
                    image: { () throws(JobFailure) in try document.page(number - 1, dpi, limits.pixelsMax) }, stop: { document.stop() })
            }
        }
        let decoder = ImageDecoder(pixelsMax: limits.pixelsMax)
        let count = try decoder.pageCount(path: file.path)
        return try numbers(of: count, selection, limits).map { number in
            let title = count > 1 ? "\(file.displayName), page \(number)" : file.displayName
            return Page(file: file.displayName, number: number, title: title) { () throws(JobFailure) in
                try decoder.decode(path: file.path, page: number - 1)
            }
        }
    }

    private static func numbers(of count: Int, _ selection: PageSelection?, _ limits: EndpointLimits) throws(JobFailure) -> [Int] {
        guard count > 0 else { throw JobFailure(.emptyFile, "the document has no pages", hint: "send a document with at least one page") }
        guard let selection else {
            guard count <= limits.pagesMax else { throw tooMany(count, limits) }
            return Array(1...count)
        }
        let last = selection.last
        guard last <= count else {
            throw JobFailure(.invalidParameter, "page \(last) was asked for, but there are \(count)", hint: "pages: 1-\(count)")
        }
        let chosen = selection.ranges.reduce(into: IndexSet()) { $0.insert(integersIn: $1) }
        guard chosen.count <= limits.pagesMax else { throw tooMany(chosen.count, limits) }
        return Array(chosen)
    }

    private static func tooMany(_ count: Int, _ limits: EndpointLimits) -> JobFailure {
        JobFailure(
            .tooManyPages, "\(count) pages are more than the \(limits.pagesMax) allowed for one job",
            hint: "send several jobs, each with the parameter pages, for example \"1-\(limits.pagesMax)\"")
    }
}

/// Page numbers as a text like `1-3,5`.
struct PageSelection: Sendable, Equatable {
    let ranges: [ClosedRange<Int>]
    var last: Int { ranges.map(\.upperBound).max() ?? 0 }

    private static let rangesMax = 1000
    private static let numberMax = 1_000_000

    /// - Throws: `invalid_parameter`.
    init(_ text: String) throws(JobFailure) {
        var ranges: [ClosedRange<Int>] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0.filter { $0 != " " }) }
            guard ranges.count < Self.rangesMax, (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1],
                first >= 1, first <= last, last <= Self.numberMax
            else {
                throw JobFailure(.invalidParameter, "parameter \"pages\" is \"\(text.prefix(60))\"", hint: "write page numbers and ranges, like \"1-3,5\"")
            }
            ranges.append(first...last)
        }
        self.ranges = ranges
    }
}

/// A document that is open from the first of its pages that is asked for to the last. One thread at a time asks.
private final class DocumentInTurn: Sendable {
    private let path: String
    private let pdf: PDFOpener
    private let state: Mutex<(document: PDFOpener.Document?, pagesLeft: Int)>

    init(_ path: String, _ pdf: PDFOpener, pages: Int) {
        self.path = path
        self.pdf = pdf
        state = Mutex((nil, pages))
    }

    func page(_ number: Int, _ dpi: Double, _ pixelsMax: Int64) throws(JobFailure) -> RGBImage {
        let document: PDFOpener.Document
        if let open = state.withLock({ $0.document }) { document = open } else { document = try pdf.open(path) }
        state.withLock { $0.document = document }
        defer {
            state.withLock { state in
                state.pagesLeft -= 1
                if state.pagesLeft == 0 { state.document = nil }
            }
        }
        return try document.page(number, dpi, pixelsMax)
    }

    func stop() { state.withLock { $0.document }?.stop() }
}

/// One thread at a time has the document.
private final class ConfinedDocument: Sendable {
    let pageCount: Int
    private let document: Mutex<PDFDocument>

    init(_ path: String) throws(JobFailure) {
        let document = try PDFDocument(path: path)
        pageCount = document.pageCount
        self.document = Mutex(document)
    }

    func page(_ number: Int, _ dpi: Double, _ pixelsMax: Int64) throws(JobFailure) -> RGBImage {
        try document.withLock { document throws(JobFailure) in try document.page(number, dpi: dpi, pixelsMax: pixelsMax) }
    }
}
