/// The path of a route: `/content/export/{jobId}`.
struct RouteTemplate: Sendable, Hashable {
    let text: String
    private let parts: [Substring]

    init(_ text: String) {
        self.text = text
        parts = text.split(separator: "/")
    }

    /// The names in braces.
    var parameters: [String] {
        parts.filter { $0.hasPrefix("{") && $0.hasSuffix("}") }.map { String($0.dropFirst().dropLast()) }
    }

    /// Whether a raw path is one of this template.
    func matches(_ path: String) -> Bool {
        let given = path.split(separator: "/")
        guard given.count == parts.count else { return false }
        return zip(parts, given).allSatisfy { part, text in part.hasPrefix("{") || part == text }
    }
}
