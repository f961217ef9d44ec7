import Hummingbird
import Web

/// `/ws`: what happens to one's uploads, live.
struct LiveRoutes: Sendable {
    static let path = "/ws"

    private let connection: LiveConnection

    init(_ feature: DriveFeature, _ configuration: LiveConnection.Configuration = .init()) {
        connection = LiveConnection(feature.floor, feature.feed, scope: .filesWrite, configuration)
    }

    func mount(_ catalog: RouteCatalog) {
        let doc = RouteDoc("listen", "Tells what happens to one's uploads, over a WebSocket", tag: "uploads", access: .open)
            .described(
                """
                Packets are texts: `{"type", "seq", "data"}`, of the types `upload.progress`, `upload.completed` and \
                `upload.failed`; `ready` comes first, and `lagged` before a reader is dropped who is too slow. `seq` is what \
                `since` takes. Without credentials in the request the first message is `{"type": "auth", "token", "since"}`, \
                within ten seconds. Needs the scope `files:write`.
                """
            )
            .query("since", .integer(min: 0), "with credentials in the request: the `seq` after which to go on")
            .answer(101, "the WebSocket begins", headers: ["Upgrade", "Sec-WebSocket-Accept"]).problems(401, 403, 410, 426)
        catalog.route(.get, Self.path, doc) { request, context in
            let since = try context.query.integer("since", in: 0...Int.max)
            return try connection.response(request, context, since: since.map { Int64($0) })
        }
    }
}
