import AgeFiles
import ArgumentParser
import Formats
import TenantData

/// `waybill backup verify`
struct BackupVerify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Holds a backup against its manifest: signature, digests, rows, types and keys. It asks no server.",
        discussion: """
            Of a full backup and its increments, given in their order, it says whether they belong together, and give the rows \
            that the newest one tells.

            \(ExitStatus.help)
            """)

    @Argument(
        help: ArgumentHelp(
            "The ZIP, or a folder with its files; behind a full backup its increments, in their order.", valueName: "file"))
    var paths: [String]

    @Option(
        name: .customLong("key"),
        help: ArgumentHelp("The public key of the installation that must have made it.", valueName: "base64"))
    var key: String?

    @OptionGroup var keys: BackupKeyOptions

    func run() async throws {
        let terminal = CommandContext.current.terminal
        let packages = try paths.map { try BackupPackage($0) }
        let links = try packages.map { try $0.link() }
        let keyring = try keys.given()?.keyring
        let isClosed = keyring == nil && links.contains { $0.manifest.encryption != nil }
        let all = max(1, links.flatMap(\.manifest.files).reduce(0) { $0 + $1.storedBytes })
        var read: Int64 = 0
        var problems: [ArchiveError] = []
        for (number, package) in packages.enumerated() {
            let digests = Self.digests(links[...number])
            let found = check(package, links[number].manifest, digests, keyring) { file in
                read += file.storedBytes
                terminal.overwrite("\(Int(Double(read) / Double(all) * 100)) %  \(BackupChain.label(file.name, of: number))")
            }
            problems += found.map { ArchiveError(file: BackupChain.label($0.file, of: number), line: $0.line, $0.reason) }
        }
        if links.count > 1, problems.isEmpty {
            problems = try await checkChain(links, packages, isClosed ? nil : keyring ?? AgeKeyring())
        }
        if terminal.width != nil { terminal.complain("") }
        for problem in problems { terminal.complain("\(problem)") }
        guard problems.isEmpty else { throw CommandFailure(.failed, "\(problems.count) problems") }
        for link in links { say(link.manifest) }
        if links.count > 1 { terminal.say("they belong together") }
        if isClosed {
            terminal.complain("the files are encrypted, and there was no key: their digests were checked, not their rows")
        }
    }

    /// What rows of the last of some backups may name; nil if others may be needed to tell.
    private static func digests(_ links: ArraySlice<BackupChain.Link>) -> Set<String>? {
        guard links.first?.manifest.since == nil, links.last?.manifest.blobs != nil else { return nil }
        return links.reduce(into: []) { $0.formUnion($1.manifest.digests) }
    }

    private func say(_ manifest: BackupManifest) {
        let rows = manifest.entities.reduce(0) { $0 + $1.rows }
        CommandContext.current.terminal.say(
            "\(manifest.files.count) files, \(Figures.grouped(rows)) rows of the tenant \(manifest.tenant) at \(manifest.cutAt), "
                + (manifest.since.map { "an increment of \($0.jobId), " } ?? "") + "signed by \(manifest.publicKey)")
    }

    /// Whether they hang together, and give as many rows as the newest one says.
    /// - Parameter keyring: nil if the rows can't be read.
    private func checkChain(
        _ links: [BackupChain.Link], _ packages: [BackupPackage], _ keyring: AgeKeyring?
    ) async throws -> [ArchiveError] {
        guard let chain = BackupChain(links) else { return [] }
        guard chain.problems.isEmpty, let keyring else { return chain.problems }
        var problems: [ArchiveError] = []
        for plan in chain.merges.values.sorted(by: { $0.entity.name < $1.entity.name }) {
            let merge = EntityMerge(plan) { file in
                let (number, name) = BackupChain.place(ofLabel: file.name)
                let next = try packages[number].unpacked(file, from: name, keyring)
                return { try next() }
            }
            do {
                try await merge.run { _ in }
            } catch let error as ArchiveError {
                problems.append(error)
            }
        }
        return problems
    }

    private func check(
        _ package: BackupPackage, _ manifest: BackupManifest, _ digests: Set<String>?, _ keyring: AgeKeyring?,
        _ done: (BackupManifest.File) -> Void
    ) -> [ArchiveError] {
        var problems: [ArchiveError] = []
        if let key, key != manifest.publicKey {
            problems.append(ArchiveError(file: BackupManifest.fileName, "it is signed by another key, \(manifest.publicKey)"))
        }
        let named = Set(manifest.files.map(\.name))
        for stranger in package.names.sorted() where stranger != BackupManifest.fileName && !named.contains(stranger) {
            problems.append(ArchiveError(file: stranger, "the manifest does not name it"))
        }
        for entity in manifest.entities {
            let order = KeyOrder()
            for file in entity.files {
                if let error = check(file, of: entity, order, digests, keyring, in: package) { problems.append(error) }
                done(file)
            }
        }
        let here = Set(package.names)
        for blob in manifest.blobs ?? [] {
            if let error = check(blob, keyring, in: package, here) { problems.append(error) }
            done(blob.file)
        }
        return problems
    }

    private func check(
        _ blob: BackupManifest.Blob, _ keyring: AgeKeyring?, in package: BackupPackage, _ here: Set<String>
    ) -> ArchiveError? {
        let file = blob.file
        guard here.contains(file.name) else { return ArchiveError(file: file.name, "it is missing") }
        let unpacker = ArchiveUnpacker(file, keyring: keyring)
        var bytes = NamedBytes()
        do {
            let next = try package.pieces(of: file.name)
            while let piece = try next() { try unpacker.push(piece) { bytes.take($0) } }
            try unpacker.finish { bytes.take($0) }
            if file.encrypted == nil || keyring != nil { try bytes.check(file) }
            return nil
        } catch {
            return (error as? ArchiveError) ?? ArchiveError(file: file.name, "\(error)")
        }
    }

    private func check(
        _ file: BackupManifest.File, of entity: BackupManifest.Entity, _ order: KeyOrder, _ digests: Set<String>?,
        _ keyring: AgeKeyring?, in package: BackupPackage
    ) -> ArchiveError? {
        guard package.names.contains(file.name) else { return ArchiveError(file: file.name, "it is missing") }
        let unpacker = ArchiveUnpacker(file, keyring: keyring)
        let reader = ArchiveReader(file, of: entity, order: order, digests: digests)
        func take(_ row: LosslessRow) throws {
            // A table of others may hold its values to no type.
            guard !entity.isExternal else { return }
            for (index, column) in entity.columns.enumerated() {
                _ = try LosslessCSVReader.value(row[index], of: column, line: row.line)
            }
        }
        do {
            let next = try package.pieces(of: file.name)
            while let piece = try next() { try unpacker.push(piece) { try reader.push($0, take) } }
            try unpacker.finish { try reader.push($0, take) }
            if file.encrypted == nil || keyring != nil { try reader.finish(take) }
            return nil
        } catch let error as ArchiveError {
            return error
        } catch {
            return ArchiveError(file: file.name, "\(error)")
        }
    }
}

extension BackupPackage {
    /// Gives the CSV of a file piece by piece, nil at the end.
    /// - Parameters:
    ///   - file: what the manifest says of it.
    ///   - name: its name in the package.
    func unpacked(_ file: BackupManifest.File, from name: String, _ keyring: AgeKeyring) throws -> () throws -> [UInt8]? {
        let unpacker = ArchiveUnpacker(file, keyring: keyring)
        let next = try pieces(of: name)
        var (waiting, isAtEnd) = ([[UInt8]](), false)
        return {
            while waiting.isEmpty, !isAtEnd {
                if let piece = try next() {
                    try unpacker.push(piece) { waiting.append($0) }
                } else {
                    isAtEnd = true
                    try unpacker.finish { waiting.append($0) }
                }
            }
            return waiting.isEmpty ? nil : waiting.removeFirst()
        }
    }
}
