import HTTPTypes
import Hummingbird
import WaybillEngine

/// `POST /session`: a one-time code for a token.
public struct SessionRoutes: Sendable {
    private struct Body: JSONBody {
        static let fields: Set<String> = ["code"]
        var code: String
    }

    private struct Session: Encodable {
        var token: String
        var expiresAt: WireTime
        var tenant: String
        var user: String
        var roles: [String]
    }

    private let floor: WebFloor
    private let lifetime: Duration

    /// - Parameter lifetime: of the tokens.
    public init(_ floor: WebFloor, lifetime: Duration = .seconds(12 * 3600)) {
        self.floor = floor
        self.lifetime = lifetime
    }

    public func mount(_ catalog: RouteCatalog) {
        catalog.component(
            "Session",
            .object(["token": .string, "expiresAt": .dateTime, "tenant": .tenant, "user": .string, "roles": .array(of: .string)]))
        let doc = RouteDoc("signIn", "Signs in by a one-time code", tag: "access", access: .open)
            .described("The code is in the link that the server prints when it starts. It works once, within ten minutes.")
            .idempotent().body(.body(["code": .string(1...200)])).answer(200, "signed in", .ref("Session")).problems(401)
        catalog.route(.post, "/session", doc) { [floor, lifetime] request, context in
            let code = try await request.json(Body.self, limit: 4096).value.code
            // Nothing is stored for a retry: the same code, key and moment make the same token.
            let key = try IdempotencyStore.key(of: request)
            guard let redeemed = floor.codes.redeem(code, key: key, now: context.arrivedAt) else {
                throw Problem.unauthorized("the code is unknown, used or too old")
            }
            let ticket = redeemed.ticket
            let (token, expiresAt) = floor.tokens.sign(
                tenant: ticket.tenant, user: ticket.user, roles: ticket.roles, lifetime: lifetime, now: redeemed.at)
            return try JSONAnswer(
                Session(
                    token: token, expiresAt: WireTime(expiresAt), tenant: ticket.tenant.text, user: ticket.user,
                    roles: ticket.roles.sorted()), headers: redeemed.isRepeated ? [.idempotentReplayed: "true"] : [:])
        }
    }
}
