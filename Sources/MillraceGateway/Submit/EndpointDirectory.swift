import MillraceCore

/// The endpoints that there are, by name.
struct EndpointDirectory: Sendable {
    let all: [EndpointConfiguration]
    private let byName: [String: EndpointConfiguration]

    init(_ endpoints: [EndpointConfiguration]) {
        all = endpoints.sorted { $0.name < $1.name }
        byName = Dictionary(uniqueKeysWithValues: endpoints.map { ($0.name, $0) })
    }

    /// - Throws: `endpoint_unknown`, with the nearest name and those that there are.
    func endpoint(named name: String) throws -> EndpointConfiguration {
        if let endpoint = byName[name] { return endpoint }
        let names = all.map(\.name)
        var hint = names.isEmpty ? "no endpoint is configured" : "endpoints: \(names.joined(separator: ", "))"
        if let near = Spelling.nearest(to: name, in: names) { hint = "did you mean \"\(near)\"? \(hint)" }
        throw MillraceError(.endpointUnknown, "there is no endpoint \"\(name)\"", hint: hint)
    }

    /// Callbacks that the operator wrote into the settings: they may point anywhere.
    var callbacks: Set<String> { Set(all.compactMap(\.callback)) }
}
