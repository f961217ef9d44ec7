import AgeFiles
import Formats
import TenantData
import WaybillBlobs
import WaybillEngine

/// The files of a restore: what they are by the manifest, and where their bytes lie.
struct RestoreFiles: Sendable {
    let manifest: BackupManifest
    let chain: BackupChain
    let documents: [String: RestoreDocument]
    let registry: EntityRegistry
    let blobs: any BlobStore
    /// What opens them if they are encrypted.
    let keyring: AgeKeyring
    /// Digests of the bytes that rows may need; nil if the backup was made without bytes.
    let digests: Set<String>?

    init(
        _ chain: BackupChain, _ contents: RestoreContents, registry: EntityRegistry, blobs: any BlobStore, keyring: AgeKeyring
    ) {
        self.keyring = keyring
        self.chain = chain
        digests = chain.digests
        manifest = chain.manifest
        documents = Dictionary(contents.documents.map { ($0.name, $0) }) { _, last in last }
        self.registry = registry
        self.blobs = blobs
    }

    /// Entities whose rows come in slices, in the order of the manifest.
    var sliced: [BackupManifest.Entity] {
        manifest.entities.filter { !$0.isExternal && registry.group($0.group)?.isSliced($0.name) == true }
    }

    /// What stands in the way of a start, by what is known of the documents without reading them.
    var problems: [ArchiveError] {
        let files = chain.files
        let named = Set(files.map(\.name))
        let strangers = documents.values.filter { !named.contains($0.name) && $0.place.name != BackupManifest.fileName }
            .map(\.name).sorted().map { ArchiveError(file: $0, "the manifest does not name it") }
        return chain.problems
            + files.compactMap { file in
                guard let document = documents[file.name] else { return ArchiveError(file: file.name, "it is missing") }
                return Self.difference(document, file).map { ArchiveError(file: file.name, $0) }
            } + strangers
    }

    /// What of a document is not as the manifest says.
    static func difference(_ document: RestoreDocument, _ file: BackupManifest.File) -> String? {
        ArchiveUnpacker.difference(file, bytes: document.length, sha256: document.sha256)
    }

    /// What is wrong with the entities and their columns. Reads the small ones, and the heads of the others.
    func mismatches() async throws -> [ArchiveError] {
        let rows: RestoredRows
        do {
            rows = try await wholeRows()
        } catch let error as ArchiveError {
            return [error]
        }
        var found = registry.mismatches(manifest, rows)
        guard found.isEmpty else { return found }
        for entity in sliced {
            for file in entity.files {
                if let error = try await headProblem(of: file, entity) { found.append(error) }
            }
        }
        return found
    }

    /// The rows of the entities that are read as a whole, each in the order of the columns that its group asks for.
    /// - Throws: `ArchiveError`.
    func wholeRows() async throws -> RestoredRows {
        var rows = RestoredRows()
        for entity in manifest.entities where !entity.isExternal {
            guard let group = registry.group(entity.group), !group.isSliced(entity.name),
                let wanted = try group.columns(of: entity.name, among: rows)
            else { continue }
            var taken: [RestoredRows.Row] = []
            let order = KeyOrder()
            let places = wanted.map { column in entity.columns.firstIndex { $0 == column } }
            guard places.allSatisfy({ $0 != nil }) else { continue }
            for file in entity.files {
                try await read(file, of: entity, order: order) { row in
                    let values = try places.compactMap(\.self).map {
                        try LosslessCSVReader.value(row[$0], of: entity.columns[$0], line: row.line)
                    }
                    taken.append(RestoredRows.Row(line: row.line, file: file.name, values: values))
                }
            }
            rows[entity.name] = taken
        }
        return rows
    }

    /// Reads a file through, and holds it against the manifest.
    /// - Throws: `ArchiveError`, or what `body` throws.
    func read(
        _ file: BackupManifest.File, of entity: BackupManifest.Entity, order: KeyOrder, _ body: (LosslessRow) throws -> Void
    ) async throws {
        let reader = ArchiveReader(file, of: entity, order: order, digests: digests)
        try await bytes(of: file) { try reader.push($0, body) }
        try reader.finish(body)
    }

    /// The bytes of a file, piece by piece.
    /// - Throws: `ArchiveError` if they are not there any more, or are damaged; what `body` throws.
    func bytes(of file: BackupManifest.File, _ body: ([UInt8]) async throws -> Void) async throws {
        if let plan = chain.merges[file.name] {
            let merge = EntityMerge(plan) { file in
                let pieces = try self.pieces(of: file)
                return { try await pieces.piece() }
            }
            return try await merge.run(body)
        }
        let pieces = try pieces(of: file)
        while let piece = try await pieces.piece() { try await body(piece) }
    }

    private func pieces(of file: BackupManifest.File) throws -> DocumentPieces {
        guard let document = documents[file.name] else { throw ArchiveError(file: file.name, "it is missing") }
        return DocumentPieces(file, document, in: blobs, keyring: keyring)
    }

    private struct Enough: Error {}

    private func headProblem(of file: BackupManifest.File, _ entity: BackupManifest.Entity) async throws -> ArchiveError? {
        let reader = LosslessCSVReader(entity.columns)
        do {
            try await bytes(of: file) { piece in
                reader.push(piece)
                // The first row says that the head was read.
                try reader.read { _ in throw Enough() }
            }
            reader.finish()
            try reader.read { _ in throw Enough() }
            try reader.end()
        } catch is Enough {
            return nil
        } catch let error as LosslessError {
            return ArchiveError(file: file.name, line: error.line, error.reason)
        } catch let error as ArchiveError {
            return error
        }
        return nil
    }
}
