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

    /// What of a manifest's entities this installation does not know how to restore, or has with other columns: all of it.
    public func mismatches(_ manifest: BackupManifest, _ rows: RestoredRows) -> [ArchiveError] {
        manifest.entities.flatMap { mismatches(of: $0, rows) }
    }

    /// - Parameter rows: of the entities that are read as a whole.
    public func mismatches(of entity: BackupManifest.Entity, _ rows: RestoredRows) -> [ArchiveError] {
        guard !entity.isExternal else { return [] }
        let file = entity.files.first?.name ?? entity.name
        do {
            guard let columns = try group(entity.group)?.columns(of: entity.name, among: rows) else {
                return [ArchiveError(file: file, "this Waybill does not know the entity \(entity.name)")]
            }
            return Self.differences(entity.columns, columns).map { ArchiveError(file: file, $0) }
        } catch {
            return [(error as? ArchiveError) ?? ArchiveError(file: file, "\(error)")]
        }
    }

    /// The order of columns does not matter. One that was renamed is both: not known, and missing.
    private static func differences(_ given: [LosslessColumn], _ wanted: [LosslessColumn]) -> [String] {
        var found: [String] = []
        var seen: Set<String> = []
        for column in given {
            if !seen.insert(column.name).inserted {
                found.append("the column ‘\(column.name)’ stands twice")
            } else if let known = wanted.first(where: { $0.name == column.name }) {
                guard known != column else { continue }
                found.append(
                    "the column ‘\(column.name)’ is of the type \(column.type.rawValue), and \(known.type.rawValue) is wanted")
            } else {
                found.append("the column ‘\(column.name)’ is not known")
            }
        }
        return found + wanted.filter { !seen.contains($0.name) }.map { "the column ‘\($0.name)’ is missing" }
    }
}
