import Datasets
import Formats
import WaybillDatabases
import WaybillEngine

/// All that an installation keeps of a tenant, group by group.
public struct EntityRegistry: Sendable {
    public let groups: [any TenantEntities]

    public init(_ groups: [any TenantEntities]) {
        self.groups = groups
    }

    public var names: [String] { groups.map(\.name) }

    /// The tables that are in an entity.
    public var tables: Set<String> { groups.reduce(into: []) { $0.formUnion($1.tables) } }

    /// The tables that are in none, with the reasons.
    public var leftOut: [String: String] { groups.reduce(into: [:]) { $0.merge($1.leftOut) { first, _ in first } } }

    public func group(_ name: String) -> (any TenantEntities)? { groups.first { $0.name == name } }

    /// Takes a tenant's rows for a job, in one transaction.
    /// - Parameter names: of groups; nil for all.
    public func take(_ names: Set<String>?, _ cut: inout TenantCut, in session: any SQLSession) throws {
        for group in groups where names?.contains(group.name) ?? true { try group.take(&cut, in: session) }
    }

    public func source(of entity: EntityCut, for tenant: TenantID, in database: any SQLDatabase) throws -> any RowSource {
        guard let group = group(entity.group) else { throw EngineError(.invalid, "nobody knows the entities \(entity.group)") }
        return try group.source(of: entity, for: tenant, in: database)
    }

    public func release(job: String, of tenant: TenantID, in session: any SQLSession) throws {
        for group in groups { try group.release(job: job, of: tenant, in: session) }
    }

    /// What of a manifest's entities this installation does not know how to restore, or has with other columns.
    public func mismatches(_ manifest: BackupManifest, _ rows: RestoredRows) -> [ArchiveError] {
        manifest.entities.filter { !$0.isExternal }.compactMap { entity in
            let file = entity.files.first?.name ?? entity.name
            do {
                guard let columns = try group(entity.group)?.columns(of: entity.name, among: rows) else {
                    return ArchiveError(file: file, "this Waybill does not know the entity \(entity.name)")
                }
                return Self.difference(entity.columns, columns).map { ArchiveError(file: file, $0) }
            } catch {
                return (error as? ArchiveError) ?? ArchiveError(file: file, "\(error)")
            }
        }
    }

    /// The order of columns does not matter.
    private static func difference(_ given: [LosslessColumn], _ wanted: [LosslessColumn]) -> String? {
        if let unknown = given.first(where: { column in !wanted.contains { $0.name == column.name } }) {
            return "the column ‘\(unknown.name)’ is not known"
        }
        if let missing = wanted.first(where: { column in !given.contains { $0.name == column.name } }) {
            return "the column ‘\(missing.name)’ is missing"
        }
        guard given.count == wanted.count else { return "a column stands twice" }
        guard let other = given.first(where: { !wanted.contains($0) }) else { return nil }
        return "the column ‘\(other.name)’ is of the type \(other.type.rawValue), and another one is wanted"
    }
}
