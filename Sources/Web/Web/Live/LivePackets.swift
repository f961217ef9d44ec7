import WaybillEngine

/// Something that is told to those who listen in the name of one account.
public struct LivePacket: Sendable, Hashable {
    public var account: String
    /// Of the event that it tells, in the tenant's log.
    public var number: Int64
    /// `upload.progress`
    public var type: String
    /// `{"type", "seq", "data"}` as JSON in UTF-8.
    public var json: [UInt8]

    public init(account: String, number: Int64, type: String, data: some Encodable) throws {
        self.account = account
        self.number = number
        self.type = type
        json = Self.json(type, number, try JSONAnswer.encode(data))
    }

    /// - Parameter data: JSON.
    static func json(_ type: String, _ number: Int64, _ data: [UInt8] = Array("{}".utf8)) -> [UInt8] {
        Array("{\"type\":\"\(type)\",\"seq\":\(number),\"data\":".utf8) + data + [UInt8(ascii: "}")]
    }
}

/// What some events of a tenant tell.
public struct LivePage: Sendable, Hashable {
    /// In order.
    public var packets: [LivePacket]
    /// All events up to this number were looked at.
    public var upTo: Int64
    public var hasMore: Bool

    public init(packets: [LivePacket], upTo: Int64, hasMore: Bool) {
        self.packets = packets
        self.upTo = upTo
        self.hasMore = hasMore
    }
}

/// Makes packets of the event log.
public protocol LivePackets: Sendable {
    /// What the events of a tenant after a number tell; at most `limit` events are looked at.
    func page(of tenant: TenantID, after number: Int64, limit: Int) async throws -> LivePage
}
