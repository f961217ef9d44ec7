/// One event of a Server-Sent Events stream (WHATWG HTML section 9.2).
public struct SSEFrame: Sendable, Equatable {
    /// Without line breaks.
    public var event: String
    /// The number from which a client can go on; nil for what is not kept.
    public var id: Int64?
    /// JSON or other text; line breaks are carried.
    public var data: String

    public init(event: String, id: Int64? = nil, data: String) {
        self.event = event
        self.id = id
        self.data = data
    }

    /// With a JSON value as its data.
    public init(event: String, id: Int64? = nil, json value: some Encodable) throws {
        self.init(event: event, id: id, data: String(decoding: try JSONAnswer.encode(value), as: UTF8.self))
    }

    /// As it goes out.
    var text: String {
        var text = ""
        if let id { text += "id: \(id)\n" }
        text += "event: \(event.filter { !$0.isNewline })\n"
        for line in data.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) { text += "data: \(line)\n" }
        return text + "\n"
    }
}
