import Datasets
import Formats
import WaybillDatabases
import WaybillEngine

/// What one room keeps of a tenant, as a backup takes it. Every table of the installation is in one of these, or is left out for
/// a reason that stands here: a test holds them against the database's own catalogue.
public protocol TenantEntities: Sendable {
    /// How a backup is asked for them: `content`, `notices`.
    var name: String { get }
    /// The tables whose rows of a tenant are in these entities, as they are or in another form.
    var tables: Set<String> { get }
    /// The tables of the room that are not, each with the reason.
    var leftOut: [String: String] { get }

    /// Takes what the tenant has now, in the transaction of the cut, which must not last longer than 50 ms.
    ///
    /// A group that takes everything each time need not know of increments. One that can tell what has changed notes what it
    /// needs for that with each cut, and where a cut has a base, takes what has changed since it.
    func take(_ cut: inout TenantCut, in session: any SQLSession) throws

    /// The rows of an entity that was taken and not copied. Whoever asks, and however often, is given the same ones.
    func source(of entity: EntityCut, for tenant: TenantID, in database: any SQLDatabase) throws -> any RowSource

    /// Lets go of what a job has taken.
    func release(job: String, of tenant: TenantID, in session: any SQLSession) throws

    // MARK: Restoring

    /// Whether the tenant has nothing that a restore would take the place of.
    func isEmpty(for tenant: TenantID, in session: any SQLSession) throws -> Bool

    /// The columns that an entity must have.
    /// - Parameter rows: of the entities that are read as a whole.
    /// - Returns: nil for one that is not known.
    /// - Throws: a text error that says what is wrong with the rows.
    func columns(of entity: String, among rows: RestoredRows) throws -> [LosslessColumn]?

    /// What a restore brings back otherwise than it was, because it can't be so here.
    /// - Parameter rows: of the entities that are read as a whole.
    func warnings(_ rows: RestoredRows) throws -> [String]

    /// Whether the rows of an entity come in slices, before the switch; others are read as a whole and come with it.
    func isSliced(_ entity: String) -> Bool

    /// Makes a place for what is restored, which nobody sees yet.
    /// - Returns: what the group needs to know of it, in a form of its own.
    func prepare(_ target: RestoreTarget, _ rows: RestoredRows, in session: any SQLSession) throws -> String

    /// What takes the rows of a sliced entity into that place.
    func intake(
        of entity: BackupManifest.Entity, _ target: RestoreTarget, place: String, in session: any SQLSession
    ) throws -> any RowIntake

    /// What would take the rows of a sliced entity, if it were restored, and how many rows are there now.
    func rehearsal(
        of entity: BackupManifest.Entity, _ target: RestoreTarget, _ rows: RestoredRows, in session: any SQLSession
    ) throws -> (any RowRehearsal, present: Int64)

    /// What would become of the entities that are read as a whole, by name.
    func rehearse(_ target: RestoreTarget, _ rows: RestoredRows, in session: any SQLSession) throws -> [String: RowChanges]

    /// Makes what was restored the tenant's, in one short transaction with all other groups.
    /// - Returns: what it takes to undo it, in a form of the group's own.
    func switchOver(_ target: RestoreTarget, place: String, _ rows: RestoredRows, in session: any SQLSession) throws -> String

    /// Takes the switch back.
    func undo(_ target: RestoreTarget, _ undo: String, in session: any SQLSession) throws

    /// Gives a place up that was never switched to.
    func discard(_ target: RestoreTarget, place: String, in session: any SQLSession) throws

    // MARK: Drills

    /// The name under which a tenant that was restored has the rows of an entity; nil if it has nothing to be compared with.
    /// - Parameter place: of the restore.
    func restoredName(of entity: String, place: String) throws -> String?

    /// What must be the same after a restore of a row that is read as a whole: what a restore changes on purpose is null.
    func comparable(_ row: [LosslessValue], of entity: String) -> [LosslessValue]

    /// Rows of a backup that a restore to another tenant of this installation does not bring, because their own tenant has them:
    /// as that one has them.
    func withheld(
        _ rows: [[LosslessValue]], of entity: String, from tenant: TenantID, in session: any SQLSession
    ) throws -> [[LosslessValue]]
}

extension TenantEntities {
    public var leftOut: [String: String] { [:] }

    public func source(of entity: EntityCut, for tenant: TenantID, in database: any SQLDatabase) throws -> any RowSource {
        throw EngineError(.invalid, "the rows of \(entity.name) were copied with the cut")
    }

    public func release(job: String, of tenant: TenantID, in session: any SQLSession) throws {}
}

extension TenantEntities {
    public func isEmpty(for tenant: TenantID, in session: any SQLSession) throws -> Bool { true }
    public func warnings(_ rows: RestoredRows) throws -> [String] { [] }
    public func isSliced(_ entity: String) -> Bool { false }
    public func prepare(_ target: RestoreTarget, _ rows: RestoredRows, in session: any SQLSession) throws -> String { "" }

    public func intake(
        of entity: BackupManifest.Entity, _ target: RestoreTarget, place: String, in session: any SQLSession
    ) throws -> any RowIntake {
        throw EngineError(.invalid, "the rows of \(entity.name) are read as a whole")
    }

    public func rehearsal(
        of entity: BackupManifest.Entity, _ target: RestoreTarget, _ rows: RestoredRows, in session: any SQLSession
    ) throws -> (any RowRehearsal, present: Int64) {
        throw EngineError(.invalid, "the rows of \(entity.name) are read as a whole")
    }

    public func restoredName(of entity: String, place: String) throws -> String? { entity }
    public func comparable(_ row: [LosslessValue], of entity: String) -> [LosslessValue] { row }

    public func withheld(
        _ rows: [[LosslessValue]], of entity: String, from tenant: TenantID, in session: any SQLSession
    ) throws -> [[LosslessValue]] { [] }

    public func undo(_ target: RestoreTarget, _ undo: String, in session: any SQLSession) throws {}
    public func discard(_ target: RestoreTarget, place: String, in session: any SQLSession) throws {}
}
