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
        chain.problems + Self.problems(Array(documents.values), chain.files, numbers: chain.links.indices)
    }

    /// What is missing, does not match, or is named by no manifest.
    /// - Parameter numbers: of the backups whose manifests are there.
    static func problems(
        _ documents: [RestoreDocument], _ files: [BackupManifest.File], numbers: some Sequence<Int>
    ) -> [ArchiveError] {
        let (byName, numbers) = (Dictionary(documents.map { ($0.name, $0) }) { $1 }, Set(numbers))
        let named = Set(files.map(\.name))
        let strangers = byName.values.filter {
            !named.contains($0.name) && $0.place.name != BackupManifest.fileName && numbers.contains($0.place.number)
        }
        return files.compactMap { file in
            guard let document = byName[file.name] else { return ArchiveError(file: file.name, "it is missing") }
            return Self.difference(document, file).map { ArchiveError(file: file.name, $0) }
        } + strangers.map(\.name).sorted().map { ArchiveError(file: $0, "the manifest does not name it") }
    }

    /// What of a document is not as the manifest says.
    static func difference(_ document: RestoreDocument, _ file: BackupManifest.File) -> String? {
        if let total = document.total { return "only \(document.length) of its \(total) bytes have come" }
        return ArchiveUnpacker.difference(file, bytes: document.length, sha256: document.sha256)
    }

    /// What is wrong with the entities and their columns. Reads the small ones, and the heads of the others.
    func mismatches() async throws -> [ArchiveError] {
        var found: [ArchiveError] = []
        var groups: Set<String> = []
        let rows = try await wholeRows { entity, error in
            found.append(error)
            groups.insert(entity.group)
        }
        // What can't be read of a group may be what its other entities are known by.
        for entity in manifest.entities where !groups.contains(entity.group) {
            let wrong = registry.mismatches(of: entity, rows)
            found += wrong
            guard wrong.isEmpty, !entity.isExternal, registry.group(entity.group)?.isSliced(entity.name) == true else { continue }
            for file in entity.files {
                if let error = try await headProblem(of: file, entity) { found.append(error) }
            }
        }
        return found
    }

    /// The rows of the entities that are read as a whole, each in the order of the columns that its group asks for.
    /// - Throws: `ArchiveError`.
    func wholeRows() async throws -> RestoredRows {
        try await wholeRows { throw $1 }
    }

    /// - Parameter failed: is told of an entity that can't be read, which has no rows then.
    private func wholeRows(
        _ failed: (BackupManifest.Entity, ArchiveError) throws -> Void
    ) async throws -> RestoredRows {
        var rows = RestoredRows()
        for entity in manifest.entities where !entity.isExternal {
            do {
                if let taken = try await wholeRows(of: entity, among: rows) { rows[entity.name] = taken }
            } catch let error as ArchiveError {
                try failed(entity, error)
            }
        }
        return rows
    }

    /// - Returns: nil for an entity that is not read as a whole, or has not the columns that are asked for.
    private func wholeRows(
        of entity: BackupManifest.Entity, among rows: RestoredRows
    ) async throws -> [RestoredRows.Row]? {
        guard let group = registry.group(entity.group), !group.isSliced(entity.name),
            let wanted = try group.columns(of: entity.name, among: rows)
        else { return nil }
        let found = wanted.map { column in entity.columns.firstIndex { $0 == column } }
        let places = found.compactMap(\.self)
        guard places.count == found.count else { return nil }
        var taken: [RestoredRows.Row] = []
        let order = KeyOrder()
        for file in entity.files {
            try await read(file, of: entity, order: order) { row in
                let values = try places.map {
                    try LosslessCSVReader.value(row[$0], of: entity.columns[$0], line: row.line)
                }
                taken.append(RestoredRows.Row(line: row.line, file: file.name, values: values))
            }
        }
        return taken
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
