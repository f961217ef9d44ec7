import Formats
import WaybillEngine

/// Something that somebody did, before it has its place in the log.
public struct AuditEvent: Sendable, Hashable {
    /// A name of its own, by which it is stored once; the events of Waybill have none but their number.
    public var id: String?
    public var at: Timestamp
    /// nil for what nobody did, or somebody who has been deleted.
    public var user: String?
    public var action: AuditAction
    /// What it was done to.
    public var target: String?
    public var address: String?
    public var requestID: String?
    public var outcome: String?
    /// What else is worth to be known: counts, names. Never a secret.
    public var details: [AuditDetail]

    public init(
        id: String? = nil, at: Timestamp, user: String?, action: AuditAction, target: String? = nil, address: String? = nil,
        requestID: String? = nil, outcome: String? = nil, details: [AuditDetail] = []
    ) {
        self.id = id
        self.at = at
        self.user = user
        self.action = action
        self.target = target
        self.address = address
        self.requestID = requestID
        self.outcome = outcome
        self.details = details
    }

    /// The outcome of what Waybill itself records: it records what it has done.
    public static let success = "success"

    /// What an event says, in the order in which it is stored. `details` is an object.
    public static let fields = ["id", "at", "user", "action", "target", "address", "requestId", "outcome", "details"]
    public static let detailsPlace = 8

    /// The event as it is stored: a JSON array with a value for each field, as an export's scanner reads it.
    /// - Parameter given: `details` as an object's text, in place of the event's own.
    func body(details given: String? = nil) -> String {
        let out = OutputBuffer(capacity: 256)
        out.append(UInt8(ascii: "["))
        Self.append(id, to: out)
        out.append(",\"")
        RFC3339.append(at.microseconds, to: out)
        out.append("\"")
        for text in [user, action.rawValue, target, address, requestID, outcome] {
            out.append(UInt8(ascii: ","))
            Self.append(text, to: out)
        }
        out.append(UInt8(ascii: ","))
        if let given { out.append(utf8: given) } else { appendDetails(to: out) }
        out.append(UInt8(ascii: "]"))
        return String(decoding: out.bytes, as: UTF8.self)
    }

    private static func append(_ text: String?, to out: OutputBuffer) {
        if let text { JSONWriter.string(text, to: out) } else { JSONWriter.null(to: out) }
    }

    private func appendDetails(to out: OutputBuffer) {
        guard !details.isEmpty else { return JSONWriter.null(to: out) }
        var separator = UInt8(ascii: "{")
        for detail in details {
            out.append(separator)
            separator = UInt8(ascii: ",")
            JSONWriter.string(detail.name, to: out)
            out.append(UInt8(ascii: ":"))
            switch detail.value {
            case .text(let text): JSONWriter.string(text, to: out)
            case .integer(let integer): JSONWriter.integer(integer, to: out)
            }
        }
        out.append(UInt8(ascii: "}"))
    }
}

/// One more thing about an event.
public struct AuditDetail: Sendable, Hashable {
    public enum Value: Sendable, Hashable {
        case text(String)
        case integer(Int64)
    }

    public var name: String
    public var value: Value

    public init(_ name: String, _ text: String) {
        self.name = name
        value = .text(text)
    }

    public init(_ name: String, _ integer: Int) {
        self.name = name
        value = .integer(Int64(integer))
    }
}
