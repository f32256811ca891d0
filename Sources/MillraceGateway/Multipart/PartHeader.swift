import Foundation
import MillraceCore

/// The headers of one part of a form.
struct PartHeader: Equatable, Sendable {
    /// The form field's name.
    var name: String
    /// What the client calls the file, without its folders; for display only. `nil`: the part is a field.
    var filename: String?
    var contentType: String?

    /// - Throws: `malformed_request` when there is no `Content-Disposition: form-data` with a name.
    init(_ block: some Collection<UInt8>) throws {
        var fields: [String: String] = [:]
        for line in block.split(separator: UInt8(ascii: "\n")).map({ $0.last == UInt8(ascii: "\r") ? $0.dropLast() : $0 }) where !line.isEmpty {
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { throw MultipartParser.malformed("a header of a part has no colon") }
            let value = String(decoding: line[line.index(after: colon)...], as: UTF8.self)
            fields[String(decoding: line[..<colon], as: UTF8.self).lowercased()] = value.trimmingCharacters(in: .whitespaces)
        }
        let (kind, parameters) = HeaderParameters.split(fields["content-disposition"] ?? "")
        guard kind.lowercased() == "form-data", let name = parameters["name"], !name.isEmpty else {
            throw MultipartParser.malformed(
                "a part has no name", hint: "each part needs the header: Content-Disposition: form-data; name=\"...\"")
        }
        if let encoding = fields["content-transfer-encoding"]?.lowercased(), !["binary", "8bit", "7bit"].contains(encoding) {
            throw MultipartParser.malformed("the part \"\(name)\" is encoded as \(encoding)", hint: "send parts as they are (RFC 7578, 4.7)")
        }
        self.name = Self.unescaped(name)
        self.contentType = fields["content-type"]
        self.filename = Self.filename(in: parameters)
    }

    init(name: String, filename: String? = nil, contentType: String? = nil) {
        self.name = name
        self.filename = filename
        self.contentType = contentType
    }

    /// The file name of a `Content-Disposition`, safe to show.
    static func filename(in parameters: [String: String]) -> String? {
        if let extended = parameters["filename*"], extended.lowercased().hasPrefix("utf-8''"),
            let decoded = extended.dropFirst(7).description.removingPercentEncoding
        {
            return displayable(decoded)
        }
        return parameters["filename"].map { displayable(unescaped($0)) }
    }

    /// Without folders, control and format characters, and of bounded length. May be empty: then the part is a file without a name.
    ///
    /// Read scalar by scalar: a combining mark behind a slash would make another character of it.
    static func displayable(_ filename: String) -> String {
        let scalars = filename.unicodeScalars
        let start = scalars.lastIndex { $0 == "/" || $0 == "\\" }.map(scalars.index(after:)) ?? scalars.startIndex
        let shown = scalars[start...].filter { ![.control, .format].contains($0.properties.generalCategory) }.prefix(255)
        let name = String(String.UnicodeScalarView(shown))
        return name == "." || name == ".." ? "" : name
    }

    /// What the HTML standard escapes in names: quotes and line breaks.
    private static func unescaped(_ text: String) -> String {
        text.replacing("%22", with: "\"").replacing("%0D", with: "\r").replacing("%0A", with: "\n")
    }
}
