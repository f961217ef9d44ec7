import WaybillEngine
import Web

/// Tells the rights that a user has now.
public protocol RightsSource: Sendable {
    /// - Returns: nil if he has none any more.
    func roles(of principal: Principal) async throws -> Set<String>?
}

extension RightsRegistry: RightsSource {}

extension RightsSource {
    /// The one who asked for a job, with the rights he has now.
    /// - Throws: `JobFailure` with the code `RIGHTS_LOST` if the scope is no longer among them.
    public func current(_ principal: Principal, needing scope: Scope) async throws -> Principal {
        var principal = principal
        principal.roles = try await roles(of: principal) ?? []
        guard RoleTable.scopes(of: principal.roles).contains(scope) else {
            throw JobFailure(code: "RIGHTS_LOST", message: "The user who asked for it has no longer the right \(scope).")
        }
        return principal
    }
}

extension JobFailure {
    public static let damagedCheckpoint = JobFailure(code: "DAMAGED_CHECKPOINT", message: "The job's checkpoint can't be read.")
}
