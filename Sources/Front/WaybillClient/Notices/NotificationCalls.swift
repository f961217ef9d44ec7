import Foundation

/// Something the server tells its user.
public struct WaybillNotification: Sendable, Hashable, Codable, Identifiable {
    public var id: String
    public var title: String?
    public var message: String?
    public var jobId: String?
    /// How the job ended.
    public var outcome: String?
    public var link: String?
    public var createdAt: Date?
    /// Nil while it has not been read.
    public var readAt: Date?
}

/// One page of notifications.
public struct NotificationPage: Sendable, Hashable, Codable {
    public var notifications: [WaybillNotification]
    /// How many have not been read, in all pages.
    public var unread: Int
    public var page: Int
    public var size: Int
    public var total: Int
}

/// What the server tells its user: `client.notifications`.
public struct NotificationCalls: Sendable {
    let caller: Caller

    /// Newest first.
    /// - Parameter page: from 1.
    public func list(page: Int = 1, size: Int = 20) async throws -> NotificationPage {
        try await caller.json(caller.request("GET", ["notifications"], query: [("page", "\(page)"), ("size", "\(size)")]))
    }

    public func markRead(_ id: String) async throws {
        try await caller.finish(caller.request("POST", ["notifications", id, "read"]))
    }
}
