import Foundation
import MillraceCore
import MillraceInference
import MillraceText
import MillraceVision
import Testing

@testable import MillracePipelines

@Suite("OCR", .serialized)
struct OCRTests {
    private static let report = repository.path + "/Examples/data/report/"
    private static let manifest = LoadedModel.ocrManifest

    static func model(tellsOrientation: Bool = false) async throws -> LoadedModel {
        var manifest = manifest
        if tellsOrientation { manifest.files["orientation"] = "ch_ppocr_mobile_v2.0_cls_mobile.onnx" }
        return try await LoadedModel(manifest, directory: repository.path + "/models/pp-ocr")
    }

    static func page(_ number: Int) -> HandlerRequest.File {
        let name = "medical-report-page\(number).png"
        return .init(name: "file", filename: name, path: report + name, mediaType: "image/png", bytes: 1)
    }

    static let pdf = HandlerRequest.File(
        name: "file", filename: "report.pdf", path: report + "medical-report-4pages.pdf", mediaType: "application/pdf", bytes: 1)

    private static func truth(_ number: Int) throws -> String {
        try String(contentsOfFile: report + "medical-report-page\(number).txt", encoding: .utf8)
    }

    private struct Result: Decodable {
        struct Line: Decodable, Equatable {
            var text: String
            var confidence: Double
            var polygon: [[Double]]
        }
        struct Page: Decodable, Equatable {
            var file: String
            var page: Int
            var width: Int
            var height: Int
            var lines: [Line]
            var text: String
        }
        var pages: [Page]
    }

    private static func pages(_ outputs: [PipelineOutput]) throws -> [Result.Page] {
        try JSONDecoder().decode(Result.self, from: outputs[0].data()).pages
    }

    /// Edits per byte of the truth, white space folded.
    private static func errors(in found: String, truth: String, spaces: Bool = true) -> Double {
        let (found, truth) = (words(found).filter { spaces || $0 != 0x20 }, words(truth).filter { spaces || $0 != 0x20 })
        var row = Array(0...truth.count)
        for (i, a) in found.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, b) in truth.enumerated() {
                (diagonal, row[j + 1]) = (row[j + 1], min(row[j + 1] + 1, row[j] + 1, diagonal + (a == b ? 0 : 1)))
            }
        }
        return Double(row[truth.count]) / Double(truth.count)
    }

    private static func words(_ text: String) -> [UInt8] {
        Array(text.split(whereSeparator: \.isWhitespace).joined(separator: " ").utf8)
    }

    /// rapidocr 3.10.0 reads the same images with no wrong character and 0.25 %.
    @Test("reads a page of small print with less than a wrong character in a thousand, and with less than three as JPEG in a PDF")
    func pages() async throws {
        let place = try Workplace()
        let model = try await Self.model()
        let jobs = [try place.job(files: [Self.page(2)]), try place.job(files: [Self.pdf], parameters: ["pages": "2-3"])]
        let outputs = try await model.run(jobs, batch: 4)
        let images = try Self.pages(outputs[0])
        #expect(images.map(\.page) == [1] && images.map(\.width) == [1240] && images[0].file == "medical-report-page2.png")
        #expect(Self.errors(in: images[0].text, truth: try Self.truth(2)) <= 0.001)
        #expect(images[0].lines.allSatisfy { $0.polygon.count == 4 && $0.confidence > 0.5 && $0.confidence <= 1 })
        let scanned = try Self.pages(outputs[1])
        #expect(scanned.map(\.page) == [2, 3])
        for page in scanned { #expect(Self.errors(in: page.text, truth: try Self.truth(page.page)) <= 0.0025) }
        let text = String(decoding: try outputs[1][1].data(), as: UTF8.self)
        #expect(outputs[1][1].name == "text.txt" && text == scanned.map { $0.text + "\n" }.joined(separator: "\u{0C}"))
    }

    /// rapidocr-onnxruntime 1.4.4 has 1.4, 2.0, 9.9 and 5.3 % on the four pages with the same networks, nearly all of it missing spaces.
    @Test("reads pages with PP-OCRv4 with less than a wrong character in a hundred, nearly all of them spaces", arguments: [2, 3])
    func olderNetworks(number: Int) async throws {
        let manifest = ModelManifest(
            name: "pp-ocr-v4", runner: .onnx, pipeline: "ocr",
            files: ["detector": "ch_PP-OCRv4_det_infer.onnx", "recognizer": "ch_PP-OCRv4_rec_infer.onnx"])
        let model = try await LoadedModel(manifest, directory: repository.path + "/models/pp-ocr-v4")
        let page = try Self.pages(try await model.run([try Workplace().job(files: [Self.page(number)])], batch: 1)[0])[0]
        let truth = try Self.truth(number)
        let (all, letters) = (Self.errors(in: page.text, truth: truth), Self.errors(in: page.text, truth: truth, spaces: false))
        print("PP-OCRv4, page \(number): \(all) wrong, \(letters) without spaces")
        #expect(all <= 0.01 && letters <= 0.001)
    }

    @Test(
        "reads pages that stand on their head or lie on a side, in their order, with a classifier of orientation",
        arguments: [(2, 0), (2, 2), (3, 2), (1, 1), (4, 3)])
    func turned(number: Int, quarters: Int) async throws {
        let model = try await Self.model(tellsOrientation: true)
        let page = try ImageDecoder(pixelsMax: 100_000_000).decode(path: Self.page(number).path).turned(quarters)
        let lines = try await Self.read(page, model)
        let rows = ReadingOrder.rows(of: lines.map(\.corners))
        let text = rows.map { $0.map { lines[$0].text }.joined(separator: "\t") }.joined(separator: "\n")
        #expect(Self.errors(in: text, truth: try Self.truth(number)) <= 0.001)
    }

    @Test("reads a line that stands on its head among lines that do not, and gives its corners from the text's upper left")
    func oneTurnedLine() async throws {
        let model = try await Self.model(tellsOrientation: true)
        let page = try ImageDecoder(pixelsMax: 100_000_000).decode(path: Self.page(1).path)
        let upright = try await Self.read(page, model)
        let first = try #require(upright.filter { $0.text.count > 12 }.min { $0.corners[0].y < $1.corners[0].y })
        let (top, bottom) = (Int(first.corners.map(\.y).min()!) - 2, Int(first.corners.map(\.y).max()!) + 2)
        let rows = (top * page.width * 3)..<(bottom * page.width * 3)
        let strip = RGBImage(width: page.width, height: bottom - top, pixels: Array(page.pixels[rows])).turnedOver()
        var pixels = page.pixels
        pixels.replaceSubrange(rows, with: strip.pixels)
        let lines = try await Self.read(RGBImage(width: page.width, height: page.height, pixels: pixels), model)
        let found = try #require(lines.first { $0.text == first.text })
        #expect(found.corners[0].x > found.corners[1].x && found.corners[0].y > found.corners[3].y)
        #expect(Set(upright.map(\.text)).isSubset(of: lines.map(\.text)))
    }

    private static func read(_ image: RGBImage, _ model: LoadedModel) async throws -> [PageLines.Line] {
        let outcome = try await model.runner.run(
            [InferenceItem(id: 1, payload: .tensors(PageImage.tensors(of: image)))], observer: SilentObserver())[0]
        guard case .tensors(let tensors) = outcome else { return [] }
        return try #require(PageLines(tensors)).lines
    }

    @Test("reads a page the same alone and among others, with and without a classifier of orientation", arguments: [false, true])
    func batchInvariance(tellsOrientation: Bool) async throws {
        let place = try Workplace()
        let model = try await Self.model(tellsOrientation: tellsOrientation)
        let alone = try Self.pages(try await model.run([try place.job(files: [Self.page(3)])], batch: 1)[0])
        let jobs = [try place.job(files: [Self.page(2)]), try place.job(files: [Self.page(3)])]
        let among = try Self.pages(try await model.run(jobs, batch: 2)[1])
        #expect(alone[0].text == among[0].text && alone[0].lines.map(\.polygon) == among[0].lines.map(\.polygon))
        for (one, other) in zip(alone[0].lines, among[0].lines) { #expect(abs(one.confidence - other.confidence) <= 1e-4) }
    }

    @Test("finds nothing on an empty page, a single line in a flat strip, and no fault in one pixel")
    func oddPages() async throws {
        let model = try await Self.model()
        func read(_ image: RGBImage) async throws -> [PageLines.Line] { try await Self.read(image, model) }
        func blank(_ width: Int, _ height: Int) -> RGBImage {
            RGBImage(width: width, height: height, pixels: Array(repeating: 255, count: width * height * 3))
        }
        #expect(try await read(blank(1, 1)).isEmpty)
        #expect(try await read(blank(5000, 3)).isEmpty)
        #expect(try await read(blank(3, 5000)).isEmpty)
        // The first line of the report, cut out: far wider than high.
        let page = try ImageDecoder(pixelsMax: 100_000_000).decode(path: Self.page(1).path)
        let whole = try await read(page)
        let first = try #require(whole.min { $0.corners[0].y < $1.corners[0].y })
        let (top, bottom) = (Int(first.corners.map(\.y).min()!) - 4, Int(first.corners.map(\.y).max()!) + 4)
        let strip = RGBImage(width: page.width, height: bottom - top, pixels: Array(page.pixels[(top * page.width * 3)..<(bottom * page.width * 3)]))
        let lines = try await read(strip)
        #expect(lines.map(\.text).contains(first.text), "\(lines.map(\.text)) for \(first.text)")
        #expect(lines.allSatisfy { $0.corners.allSatisfy { $0.y >= 0 && $0.y < Double(strip.height) } })
    }

    @Test("takes the pages of a TIFF file one by one")
    func tiff() async throws {
        let place = try Workplace()
        let pipeline = try await Self.model().pipeline
        // Two pages of one gray pixel each: header, pixel data, two directories.
        func directory(_ next: UInt32, _ strip: UInt32) -> [UInt8] {
            let entries: [(UInt16, UInt16, UInt32)] = [(256, 4, 1), (257, 4, 1), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, strip), (277, 3, 1), (278, 4, 1), (279, 4, 1)]
            func bytes<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] { withUnsafeBytes(of: value.littleEndian, Array.init) }
            return bytes(UInt16(entries.count)) + entries.flatMap { bytes($0) + bytes($1) + bytes(UInt32(1)) + bytes($2) } + bytes(next)
        }
        let size = UInt32(directory(0, 0).count)
        let file: [UInt8] = [0x49, 0x49, 0x2A, 0, 12, 0, 0, 0, 0, 255, 0, 0] + directory(12 + size, 8) + directory(0, 9)
        let task = try await pipeline.open(try place.job(files: [try place.file("two.tiff", file, mediaType: "image/tiff")]))
        #expect(task.itemsTotal == 2)
        var levels: [UInt8] = []
        while case .tensors(let tensors)? = try await task.next() { levels += tensors["image"]?.bytes.prefix(1) ?? [] }
        #expect(levels == [0, 255])
    }

    @Test("leaves out a page that nobody wants any more")
    func cancelled() async throws {
        let model = try await Self.model()
        let image = try ImageDecoder(pixelsMax: 100_000_000).decode(path: Self.page(1).path)
        let item = InferenceItem(id: 7, payload: .tensors(PageImage.tensors(of: image)))
        await model.runner.cancel(7, reason: .cancelled)
        let outcome = try await model.runner.run([item], observer: SilentObserver())[0]
        guard case .cancelled = outcome else { Issue.record("the page was read"); return }
    }

    @Test("says what is wrong with documents and parameters")
    func faults() async throws {
        let place = try Workplace()
        let pipeline = try await Self.model().pipeline
        let whole = try Data(contentsOf: URL(filePath: Self.pdf.path))
        func code(_ files: [HandlerRequest.File], _ parameters: [String: JSONValue] = [:], limits: EndpointLimits = .init()) async throws -> String? {
            do {
                let task = try await pipeline.open(try place.job(files: files, parameters: parameters, limits: limits))
                while try await task.next() != nil {}
                return nil
            } catch let failure as JobFailure {
                #expect(!failure.retryable && !failure.message.isEmpty)
                return failure.code
            }
        }
        var few = EndpointLimits()
        few.pagesMax = 3
        var small = EndpointLimits()
        small.pixelsMax = 10_000
        #expect(try await code([]) == "missing_input")
        #expect(try await code([try place.file("cut.pdf", Array(whole.prefix(whole.count / 3)), mediaType: "application/pdf")]) == "pdf_damaged")
        #expect(try await code([try place.file("empty.pdf", [], mediaType: "application/pdf")]) == "pdf_damaged")
        #expect(try await code([try place.file("x.png", [1, 2, 3], mediaType: "image/png")]) == "unsupported_media_type")
        #expect(try await code([Self.pdf], limits: few) == "too_many_pages")
        #expect(try await code([Self.pdf], ["pages": "1-3"], limits: few) == nil)
        #expect(try await code([Self.pdf], limits: small) == "image_too_large")
        #expect(try await code([Self.pdf], ["pages": "5"]) == "invalid_parameter")
        #expect(try await code([Self.pdf], ["dpi": 5]) == "invalid_parameter")
        for pages in ["", "0", "3-1", "a", "1,,2", "1-2-3", "-1", "9999999999999999999"] {
            #expect(try await code([Self.pdf], ["pages": .string(pages)]) == "invalid_parameter", "\(pages)")
        }
    }

    @Test("refuses a manifest with a file that no part of it reads")
    func unknownRole() async {
        var manifest = Self.manifest
        manifest.files["orientaton"] = "ch_ppocr_mobile_v2.0_cls_mobile.onnx"
        let error = await #expect(throws: MillraceError.self) {
            _ = try await LoadedModel(manifest, directory: repository.path + "/models/pp-ocr")
        }
        #expect(error?.code == .invalidManifest && error?.message.contains("files.orientaton is unknown") == true)
    }

    /// One character, read with this probability.
    private static func line(_ confidence: Float) throws -> CTCDecoder.Line {
        let line = [1 - confidence, confidence, 0].withUnsafeBufferPointer { CTCDecoder(characters: ["x"]).line($0, steps: 1) }
        #expect(line.text == "x")
        return line
    }

    @Test("lines of a page vote on how it is held; where the classifier is not sure or disagrees, both ways are read")
    func votes() throws {
        let image = RGBImage(width: 2, height: 1, pixels: [1, 1, 1, 9, 9, 9])
        func ways(_ probabilities: [Float]) -> [[Bool]] {
            let lines = probabilities.indices.map { LineRecognizer.Line(image: image, page: 0, region: $0) }
            let read = LineOrientation.ways(of: lines, probabilities, threshold: 0.9)
            #expect(read.allSatisfy { ($0.image.pixels[0] == 9) == $0.isTurned })
            #expect(probabilities.indices.allSatisfy { index in read.first { $0.region == index }?.isWithPage == true })
            return probabilities.indices.map { index in read.filter { $0.region == index }.map(\.isTurned) }
        }
        #expect(ways([0.02, 0.3, 0.99]) == [[false], [false, true], [false, true]])
        #expect(ways([0.99, 0.95, 0.05, 0.6]) == [[true], [true], [true, false], [true, false]])
        // As many for as against: upright.
        #expect(ways([0.99, 0.01]) == [[false, true], [false]] && ways([]).isEmpty)
        // Of two readings, that against the page counts only when it is clearly surer; `true` stands for turned.
        func best(_ with: Float, _ against: Float) throws -> Bool? {
            func reading(_ confidence: Float, _ isTurned: Bool) throws -> LineOrientation.Readings.Reading {
                .init(line: try Self.line(confidence), isTurned: isTurned)
            }
            return LineOrientation.Readings(withPage: try reading(with, false), againstPage: try reading(against, true)).best?.isTurned
        }
        #expect(try best(0.99, 1) == false && best(0.7, 0.98) == true && LineOrientation.Readings().best == nil)
    }

    @Test("page numbers are as they were asked for, each once, in order")
    func selection() throws {
        #expect(try PageSelection("1-3, 5").ranges == [1...3, 5...5])
        #expect(try PageSelection("7").last == 7)
    }

    @Test("lines come back from tensors as they were")
    func tensors() throws {
        let lines = PageLines(lines: [
            .init(corners: [.init(x: 1, y: 2), .init(x: 3, y: 2), .init(x: 3, y: 4), .init(x: 1, y: 4)], text: "Größe < 40", confidence: 0.75),
            .init(corners: Array(repeating: .init(x: 0, y: 0), count: 4), text: "", confidence: 0),
        ])
        #expect(PageLines(lines.tensors) == lines && PageLines(PageLines(lines: []).tensors) == PageLines(lines: []))
    }
}

@Suite("The process that reads a PDF file")
struct RasterizerProcessTests {
    private func failure(_ script: String) -> String? {
        do throws(JobFailure) {
            let document = try RasterizerProcess(.init(executable: "/bin/sh", arguments: ["-c", script]), path: "x.pdf")
            _ = try document.page(0, dpi: 150, pixelsMax: 100)
            return nil
        } catch {
            return error.code
        }
    }

    @Test("costs the document, and nothing else, when it ends early, talks nonsense or promises more than it gives")
    func faults() {
        #expect(failure("exit 3") == "pdf_damaged")
        #expect(failure("kill -SEGV $$") == "pdf_damaged")
        #expect(failure("echo nonsense; cat") == "pdf_damaged")
        #expect(failure("head -c 100000 /dev/zero; cat") == "pdf_damaged")
        #expect(failure(#"echo '{"pages":1}'; exit 0"#) == "pdf_damaged")
        #expect(failure(#"echo '{"pages":1}'; read line; echo '{"width":10,"height":10}'; echo short"#) == "pdf_damaged")
        #expect(failure(#"echo '{"pages":1}'; read line; echo '{"width":-1,"height":10}'"#) == "pdf_damaged")
        #expect(failure(#"echo '{"pages":1}'; read line; echo '{"width":4,"height":1}'; printf 123456789012"#) == nil)
        #expect(failure(#"echo '{"failure":{"code":"pdf_encrypted","message":"m","retryable":false}}'"#) == "pdf_encrypted")
    }

    @Test("leaves no open file behind, and ends with its document")
    func descriptors() throws {
        func open() throws -> Int { try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count }
        let before = try open()
        for _ in 0..<50 { #expect(failure(#"echo '{"pages":1}'; read line; echo '{"width":1,"height":1}'; printf 123; read more"#) == nil) }
        // Tests beside this one open some too.
        #expect(try open() - before < 50)
    }

    @Test("can be stopped while it draws")
    func stopped() throws {
        let document = try RasterizerProcess(.init(executable: "/bin/sh", arguments: ["-c", "echo '{\"pages\":1}'; read line; exec sleep 600"]), path: "x.pdf")
        DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(200)) { document.stop() }
        #expect(throws: JobFailure.self) { try document.page(0, dpi: 150, pixelsMax: 100) }
    }

    @Test("is given nothing of this process's environment")
    func environment() {
        #expect(failure(#"test -z "$HOME$USER$MILLRACE_KEY" && echo '{"pages":1}' && read line && echo '{"width":1,"height":1}' && printf 123"#) == nil)
    }
}

extension RGBImage {
    /// Turned to the right by so many quarters.
    fileprivate func turned(_ quarters: Int) -> RGBImage {
        (0..<quarters).reduce(self) { image, _ in
            var pixels: [UInt8] = []
            image.withPixels { old in
                for x in 0..<image.width {
                    for y in (0..<image.height).reversed() { pixels += old[((y * image.width + x) * 3)..<((y * image.width + x) * 3 + 3)] }
                }
            }
            return RGBImage(width: image.height, height: image.width, pixels: pixels)
        }
    }
}
