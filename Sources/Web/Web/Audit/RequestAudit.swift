import AuditTrail
import WaybillDatabases
import WaybillEngine

/// What a change says of itself in the audit log; who asked for it, and when, is the request's.
public struct AuditEntry: Sendable, Hashable {
    public var action: AuditAction
    public var target: String?
    public var details: [AuditDetail]
    /// Whose log it belongs in; nil: the one's who asks.
    public var tenant: TenantID?

    public init(_ action: AuditAction, _ target: String? = nil, details: [AuditDetail] = [], tenant: TenantID? = nil) {
        self.action = action
        self.target = target
        self.details = details
        self.tenant = tenant
    }
}

/// Writes the audit log on behalf of a request.
struct RequestAudit: Sendable {
    private let store: AuditStore
    private let principal: Principal?
    private let address: String
    private let requestID: String
    private let at: Timestamp

    init(_ store: AuditStore, _ context: WebContext, at: Timestamp) {
        self.store = store
        principal = context.principal
        address = context.remoteAddress
        requestID = context.requestID
        self.at = at
    }

    func record(_ entry: AuditEntry, in session: any SQLSession) throws {
        guard let principal else { return }
        let tenant = entry.tenant ?? principal.tenant
        var details = entry.details
        // An operator's doing in another tenant's log.
        if tenant != principal.tenant { details.append(AuditDetail("actorTenant", principal.tenant.text)) }
        if let key = principal.apiKey { details.append(AuditDetail("apiKey", key)) }
        let event = AuditEvent(
            at: at, user: principal.user, action: entry.action, target: entry.target, address: address.isEmpty ? nil : address,
            requestID: requestID.isEmpty ? nil : requestID, outcome: AuditEvent.success, details: details)
        try store.record(event, of: tenant, in: session)
    }
}
