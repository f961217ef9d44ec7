import Crypto
import Formats
import Foundation

/// A full backup and its increments, in their order: what holds them together, and what they give when they are merged.
///
/// The files of the full backup have the names that its manifest gives them; those of the increment N have `N/` before them.
public struct BackupChain: Sendable {
    /// One backup of a chain.
    public struct Link: Sendable {
        public var manifest: BackupManifest
        /// Of the manifest's file.
        public var sha256: String

        /// - Parameter bytes: the manifest's file.
        /// - Throws: `BackupManifest.Refusal`.
        public init(_ bytes: [UInt8]) throws {
            manifest = try BackupManifest.open(bytes)
            sha256 = HexText.of(SHA256.hash(data: bytes))
        }

        /// - Parameter bytes: a manifest's file that was opened before, and has been in our hands since.
        /// - Throws: `DecodingError`.
        public init(opened bytes: [UInt8]) throws {
            manifest = try JSONDecoder().decode(BackupManifest.self, from: Data(bytes))
            sha256 = HexText.of(SHA256.hash(data: bytes))
        }
    }

    /// So many backups at most: each is a stream that is open while they are merged.
    public static let linksMax = 64

    public let links: [Link]
    /// What is wrong with the order and the links, by the manifests alone.
    public let problems: [ArchiveError]
    /// What is restored: the manifest of the newest backup, where an entity that it has only changes of has one file that is
    /// merged while it is read.
    public let manifest: BackupManifest
    /// How these files are merged, by name.
    public let merges: [String: EntityMerge.Plan]

    /// - Parameter links: at least one.
    public init?(_ links: [Link]) {
        guard let last = links.last else { return nil }
        self.links = links
        problems = Self.problems(links)
        var manifest = last.manifest
        var merges: [String: EntityMerge.Plan] = [:]
        let number = links.count - 1
        manifest.entities = manifest.entities.compactMap { entity in
            if entity.scope == .deletions { return nil }
            guard entity.scope == .changes, let plan = Self.plan(entity.name, links) else {
                return Self.labelled(entity, number)
            }
            merges[plan.file.name] = plan
            return plan.entity
        }
        self.manifest = manifest
        self.merges = merges
    }

    /// Whether any of its files needs a key.
    public var isEncrypted: Bool { links.contains { $0.manifest.encryption != nil } }

    /// Where what is restored comes from: the newest backup.
    public var origin: BackupOrigin? {
        links.last.map { link in
            BackupOrigin(
                installation: link.manifest.publicKey, tenant: link.manifest.tenant, job: link.manifest.jobId,
                manifest: link.sha256)
        }
    }

    /// The name of a file of a backup among all of a chain.
    public static func label(_ name: String, of number: Int) -> String { number == 0 ? name : "\(number)/\(name)" }

    /// Which backup a file of a chain is of, and its name there.
    public static func place(ofLabel label: String) -> (number: Int, name: String) {
        guard let slash = label.firstIndex(of: "/"), let number = Int(label[..<slash]) else { return (0, label) }
        return (number, String(label[label.index(after: slash)...]))
    }

    /// All files that the manifests name, by their names in the chain.
    public var files: [BackupManifest.File] {
        links.enumerated().flatMap { number, link in
            link.manifest.files.map { file in
                var file = file
                file.name = Self.label(file.name, of: number)
                return file
            }
        }
    }

    /// The files with the bytes that rows need, by their digests; of those that several backups have the first.
    public var blobs: [String: BackupManifest.File] {
        var found: [String: BackupManifest.File] = [:]
        for (number, link) in links.enumerated() {
            for blob in link.manifest.blobs ?? [] where found[blob.sha256] == nil {
                var file = blob.file
                file.name = Self.label(file.name, of: number)
                found[blob.sha256] = file
            }
        }
        return found
    }

    /// The digests that rows may name: nil if the newest backup was made without bytes, so that some may be missing.
    public var digests: Set<String>? {
        guard links.last?.manifest.blobs != nil else { return nil }
        return links.reduce(into: []) { $0.formUnion($1.manifest.digests) }
    }

    private static func labelled(_ entity: BackupManifest.Entity, _ number: Int) -> BackupManifest.Entity {
        var entity = entity
        for index in entity.files.indices { entity.files[index].name = label(entity.files[index].name, of: number) }
        return entity
    }

    /// What is merged for an entity of which the newest backup has changes; nil if the chain has a gap there.
    private static func plan(_ name: String, _ links: [Link]) -> EntityMerge.Plan? {
        var parts: [EntityMerge.Part] = []
        for number in links.indices.reversed() {
            let manifest = links[number].manifest
            guard let entity = manifest.entities.first(where: { $0.name == name }), entity.scope != .deletions else { return nil }
            parts.append(.init(entity: labelled(entity, number), isDeletions: false))
            guard entity.scope == .changes else { break }
            if let deletions = manifest.entities.first(where: { $0.name == entity.deletions && $0.scope == .deletions }) {
                parts.append(.init(entity: labelled(deletions, number), isDeletions: true))
            }
        }
        guard let base = parts.last?.entity, base.scope != .changes, let newest = parts.first?.entity else { return nil }
        return EntityMerge.Plan(newest, of: parts.reversed(), first: links.count - parts.count { !$0.isDeletions })
    }
}

extension BackupChain {
    private static func problems(_ links: [Link]) -> [ArchiveError] {
        guard links.count <= linksMax else {
            return [ArchiveError(file: BackupManifest.fileName, "there are more than \(linksMax) backups")]
        }
        var found: [ArchiveError] = []
        for number in links.indices {
            let file = label(BackupManifest.fileName, of: number)
            if let reason = number == 0 ? headProblem(links[0].manifest) : linkProblem(links[number], after: links[number - 1]) {
                found.append(ArchiveError(file: file, reason))
            } else {
                found += entityProblems(links, number).map { ArchiveError(file: file, $0) }
            }
        }
        return found
    }

    private static func headProblem(_ manifest: BackupManifest) -> String? {
        manifest.since.map { "it is an increment of the backup \($0.jobId), and a full one is needed here" }
    }

    private static func linkProblem(_ link: Link, after previous: Link) -> String? {
        let manifest = link.manifest
        guard let since = manifest.since else {
            return "it is a full backup, and an increment of the backup \(previous.manifest.jobId) is needed here"
        }
        guard manifest.tenant == previous.manifest.tenant else {
            return "it is of the tenant \(manifest.tenant), and the one before it of \(previous.manifest.tenant)"
        }
        guard since.jobId == previous.manifest.jobId else {
            return "it is an increment of the backup \(since.jobId), and the one before it is \(previous.manifest.jobId)"
        }
        guard since.manifestSha256 == previous.sha256, since.cutAt == previous.manifest.cutAt else {
            return "the manifest of the backup \(since.jobId) is not the one that it was made after"
        }
        return nil
    }

    /// What the changes of a backup need of the one before it.
    private static func entityProblems(_ links: [Link], _ number: Int) -> [String] {
        let manifest = links[number].manifest
        let previous = number > 0 ? links[number - 1].manifest : nil
        return manifest.entities.compactMap { entity -> String? in
            switch entity.scope {
            case nil, .whole: return nil
            case .deletions:
                let isNamed = manifest.entities.contains { $0.scope == .changes && $0.deletions == entity.name }
                return isNamed ? nil : "nothing refers to the deletions in \(entity.name)"
            case .changes:
                guard let before = previous?.entities.first(where: { $0.name == entity.name }), before.scope != .deletions else {
                    return "it has changes of \(entity.name), which is not in the backup before it"
                }
                guard Set(before.columns) == Set(entity.columns), before.key == entity.key, !entity.key.isEmpty,
                    before.group == entity.group, before.blobColumn == entity.blobColumn
                else { return "it has changes of \(entity.name), which has other columns in the backup before it" }
                guard let name = entity.deletions else { return nil }
                let deletions = manifest.entities.first { $0.name == name && $0.scope == .deletions }
                let key = entity.columns.filter { entity.key.contains($0.name) }
                guard let deletions, Set(deletions.columns) == Set(key), deletions.key == entity.key else {
                    return "the deletions of \(entity.name) are missing, or have another key"
                }
                return nil
            }
        }
    }
}
