import WaybillEngine

/// Where one connection is in its tenant's log: first it reads on its own, then the feed offers what happens.
struct LiveListener: Sendable {
    private let tenant: TenantID
    private let account: String
    private let feed: EventFeed
    private let offer: EventFeed.Offer
    private var listening: EventFeed.Listening?
    /// All up to this number was told, or is about to be.
    private(set) var told: Int64

    /// - Parameter offer: takes what the feed offers once this has caught up.
    init(_ admission: LiveConnection.Admission, _ feed: EventFeed, _ offer: @escaping EventFeed.Offer) async throws {
        tenant = admission.identity.principal.tenant
        account = admission.identity.principal.user
        self.feed = feed
        self.offer = offer
        if let since = admission.since {
            // A number that the log has not reached is of another installation, or of a time that was undone.
            told = min(since, try await feed.lastNumber(of: tenant))
        } else {
            let listening = try await feed.listen(tenant, account, offer)
            told = listening.from
            self.listening = listening
        }
    }

    /// Whether all that comes is offered.
    var isLive: Bool { listening.map { told >= $0.from } ?? false }

    /// A step towards that.
    /// - Returns: what is to be told.
    mutating func catchUp() async throws -> [LivePacket] {
        let end = listening?.from ?? .max
        let page = try await feed.source.page(of: tenant, after: told, limit: EventFeed.eventsAtOnce)
        let packets = page.packets.filter { $0.account == account && $0.number <= end }
        told = page.hasMore || listening == nil ? min(page.upTo, end) : end
        // Only now, so that nothing piles up while a long log is read.
        if listening == nil, !page.hasMore { listening = try await feed.listen(tenant, account, offer) }
        return packets
    }
}
