import AuditTrail
import Logging
import WaybillDatabases
import WaybillEngine

/// Everything the doors share: made once, at start.
public struct WebFloor: Sendable {
    public let time: any TimeSource
    public let logger: Logger
    public let tokens: TokenSigner
    public let verifier: TokenVerifier
    public let keys: ApiKeyStore
    public let tenants: TenantGate
    public let rights: RightsRegistry
    public let audit: AuditStore
    public let links: LinkSigner
    public let codes: SignInCodes
    public let idempotency: IdempotencyStore
    public let limiter: RateLimiter
    public let streams: StreamLimits
    public let metrics: MetricsRegistry
    let httpMetrics: HTTPMetrics
    private let key: SigningKey
    /// Random bytes, as many as asked for.
    public let random: @Sendable (Int) -> [UInt8]

    /// - Parameters:
    ///   - issuers: other issuers of tokens.
    ///   - random: gives as many random bytes as asked for.
    public init(
        database: any SQLDatabase, audit: AuditStore, key: SigningKey, issuers: IssuerPolicy = IssuerPolicy(),
        time: any TimeSource,
        random: @escaping @Sendable (Int) -> [UInt8], rate: RateLimiter.Configuration = .init(),
        streams: StreamLimits.Configuration = .init(), logger: Logger
    ) {
        self.audit = audit
        self.key = key
        self.time = time
        self.logger = logger
        self.random = random
        tokens = TokenSigner(key)
        verifier = TokenVerifier(key: key, others: issuers)
        keys = ApiKeyStore(database)
        tenants = TenantGate(database)
        rights = RightsRegistry(database, keys: keys, time: time)
        links = LinkSigner(key)
        codes = SignInCodes()
        idempotency = IdempotencyStore(database, key: key, time: time, audit: audit)
        limiter = RateLimiter(rate)
        self.streams = StreamLimits(streams)
        metrics = MetricsRegistry()
        httpMetrics = HTTPMetrics(metrics)
    }

    /// Closes what a door must not keep in clear.
    public func seal(for purpose: SigningKey.Purpose) -> SecretSeal { SecretSeal(key, for: purpose) }
}
