import Datasets
import Formats
import WaybillDatabases

/// What a reference points at.
public struct ItemReference: Hashable, Sendable {
    public var type: String
    public var id: String

    public init(type: String, id: String) {
        self.type = type
        self.id = id
    }

    /// Reads the value of a reference field: the id where the field has a target, else `type/id`.
    public init?(_ value: String, of field: ContentField) {
        if let target = field.target {
            self.init(type: target, id: value)
        } else {
            guard let slash = value.utf8.firstIndex(of: UInt8(ascii: "/")) else { return nil }
            self.init(type: String(value[..<slash]), id: String(value[value.utf8.index(after: slash)...]))
        }
    }
}

extension ContentStore {
    /// The ids of all types by name: read with the cut, for references.
    public func typeIDs(space: Int64, in session: any SQLSession) throws -> [String: Int64] {
        let pairs = try session.all("SELECT name, type_id FROM content_types WHERE space = $1", space) {
            ($0.string(0), $0.int64(1))
        }
        return Dictionary(pairs) { first, _ in first }
    }

    /// Which of some references point at nothing at a cut.
    /// - Parameters:
    ///   - references: any number, in any order; one call for each piece of an export is right.
    ///   - types: what `typeIDs` gave when the cut was taken.
    /// - Returns: indices of `references`, rising.
    public func missing(
        _ references: [ItemReference], types: [String: Int64], at cut: ContentCut, in session: any SQLSession
    ) throws -> [Int] {
        var missing: [Int] = []
        for (name, indices) in Dictionary(grouping: references.indices, by: { references[$0].type }) {
            guard let type = types[name] else {
                missing += indices
                continue
            }
            let sorted = indices.sorted { references[$0].id.precedesBytewise(references[$1].id) }
            let found = try present(sorted.map { references[$0].id }, type: type, at: cut, in: session)
            var at = 0
            for index in sorted {
                let id = references[index].id
                while at < found.count, found[at].precedesBytewise(id) { at += 1 }
                if at == found.count || !found[at].equalsBytewise(id) { missing.append(index) }
            }
        }
        return missing.sorted()
    }

    /// Those of some ids that the cut has, sorted bytewise.
    private func present(_ ids: [String], type: Int64, at cut: ContentCut, in session: any SQLSession) throws -> [String] {
        let list = OutputBuffer(capacity: 1024)
        list.append(UInt8(ascii: "["))
        for (index, id) in ids.enumerated() {
            if index > 0 { list.append(UInt8(ascii: ",")) }
            JSONWriter.string(id, to: list)
        }
        list.append(UInt8(ascii: "]"))
        let wanted = QueryDialect(session.dialect).texts("$4")
        var statement = """
            SELECT i.id AS id FROM content_items AS i
            WHERE i.space = $1 AND i.type_id = $2 AND i.epoch <= $3 AND i.id IN (\(wanted))
            """
        if try hasVersions(type: type, space: cut.space, in: session) {
            statement += """
                 UNION ALL SELECT v.id FROM content_versions AS v
                WHERE v.space = $1 AND v.type_id = $2 AND v.epoch <= $3 AND v.until_epoch > $3 AND v.id IN (\(wanted))
                """
        }
        let text = list.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        return try session.all(
            statement + " ORDER BY 1", arguments: [.integer(cut.space), .integer(type), .integer(cut.epoch), .text(text)]
        ) { $0.string(0) }
    }
}
