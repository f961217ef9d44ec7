import HTTPTypes
import Hummingbird
import NIOCore
import ServiceLifecycle
import Synchronization
import WaybillEngine

/// A WebSocket over which an account is told what happens: packets `{type, seq, data}` as text, each with the number of its
/// event, from which one can go on at any node.
///
/// Whoever has not proven who he is by the request itself sends `{"type": "auth", "token": …, "since": …}` first. Everything
/// else that a client says is passed over.
public struct LiveConnection: Sendable {
    public struct Configuration: Sendable {
        /// How long it may take to prove who it is.
        public var authTime = Duration.seconds(10)
        /// After so long a ping goes out.
        public var pingInterval = Duration.seconds(20)
        /// So many pings may be without an answer.
        public var pingsMax = 3
        /// How long the end may take, from the moment in which it is due.
        public var closeTime = Duration.seconds(10)
        /// What a client says is not longer.
        public var messageBytesMax = 16 << 10
        /// So many packets may wait for a slow reader.
        public var packetsMax = 256
        /// How long a reader may take for so many.
        public var lagTime = Duration.seconds(5)
        /// How often is looked whether the one who listens may still do so.
        public var recheck = Duration.seconds(2)

        public init() {}
    }

    /// Whoever may listen, and after which number he wants to go on.
    struct Admission: Sendable {
        var identity: Identity
        var since: Int64?
    }

    let floor: WebFloor
    let feed: EventFeed
    let scope: Scope
    let configuration: Configuration
    let metrics: LiveMetrics
    /// A frame that something is answered with in place of what follows from it. Only tests set it: Autobahn's test suite wants
    /// its messages back.
    var answer: (@Sendable (WebSocketParser.Event) -> [UInt8]?)?

    /// - Parameter scope: the right that it takes to listen.
    public init(_ floor: WebFloor, _ feed: EventFeed, scope: Scope, _ configuration: Configuration = Configuration()) {
        self.floor = floor
        self.feed = feed
        self.scope = scope
        self.configuration = configuration
        metrics = LiveMetrics(floor.metrics)
    }

    /// Answers a request for a WebSocket.
    /// - Throws: a problem, as long as it is none yet.
    public func response(_ request: Request, _ context: WebContext, since: Int64?) throws -> Response {
        let fields = try WebSocketHandshake.accept(request)
        var admission: Admission?
        switch context.access {
        case .anonymous, .link: break
        case .refused(let problem): throw problem
        case .granted(let identity):
            try context.require(scope)
            admission = Admission(identity: identity, since: since)
        }
        let place =
            try admission.map { try self.place(of: $0.identity.principal) }
            ?? floor.streams.open("live at \(context.remoteAddress)")
        context.record.markStream()
        let run = LiveRun(self, admission, place, note: context.record.note, breakOff: context.breakOff)
        let body = ResponseBody { writer in
            try await run.serve(request.body, to: &writer)
        }
        return Response(status: .switchingProtocols, headers: fields, body: body)
    }

    /// - Throws: a 429 problem.
    func place(of principal: Principal) throws -> StreamPlace {
        try floor.streams.open("live \(principal.tenant) \(principal.user)")
    }
}
