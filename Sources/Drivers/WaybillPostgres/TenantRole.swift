import Synchronization
import WaybillDatabases

/// The role in which transactions on behalf of a tenant run, once it is known that the server holds it to the policies.
final class TenantRole: Sendable {
    /// nil if it is not wanted.
    let name: String?
    private let state: Mutex<SQLTenantIsolation>

    init(_ name: String?) {
        self.name = name
        state = Mutex(.off(name == nil ? "it is turned off by the setting" : "the schema has not been looked at yet"))
    }

    var isolation: SQLTenantIsolation {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }

    /// What begins or ends acting for a tenant inside a transaction. It ends with the transaction at the latest, so that the
    /// connection may be somebody else's then.
    /// - Parameter tenant: nil for the program itself.
    /// - Throws: `PostgresFailure` for a name that can't be part of a statement.
    func statements(for tenant: String?) throws -> String {
        guard case .enforced(let role) = isolation else { return "" }
        guard let tenant else { return "SET LOCAL ROLE NONE; SET LOCAL \(SQLDialect.tenantSetting) = ''; " }
        let name = try SQLText.literal(tenant)
        return "SET LOCAL ROLE \(SQLText.identifier(role)); SET LOCAL \(SQLDialect.tenantSetting) = \(name); "
    }

    /// The same in one statement with parameters, which can travel with others: of the role and of the tenant.
    static let switching = "SELECT set_config('role', $1, true), set_config('\(SQLDialect.tenantSetting)', $2, true)"

    func switching(to tenant: String?) -> [SQLValue] {
        guard case .enforced(let role) = isolation, let tenant else { return [.text("none"), .text("")] }
        return [.text(role), .text(tenant)]
    }

    var isEnforced: Bool {
        if case .enforced = isolation { true } else { false }
    }
}

/// Values as parts of statements.
enum SQLText {
    /// - Throws: `PostgresFailure`: the server knows no text with U+0000, and libpq would end the statement there.
    static func literal(_ text: String) throws -> String {
        guard !text.utf8.contains(0) else { throw PostgresFailure(.refused, SQLError(.other, "a text with U+0000")) }
        return "'" + text.replacing("'", with: "''") + "'"
    }

    static func identifier(_ name: String) -> String {
        "\"" + name.filter { $0 != "\0" }.replacing("\"", with: "\"\"") + "\""
    }
}
