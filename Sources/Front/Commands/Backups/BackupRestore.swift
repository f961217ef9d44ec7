import ArgumentParser
import TenantData
import WaybillClient

/// `waybill backup restore`
struct BackupRestore: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Brings a backup back into the tenant of the credentials, all or nothing.",
        discussion: ExitStatus.help)

    @OptionGroup var server: ServerOptions

    @Argument(
        help: ArgumentHelp(
            "The ZIP, or a folder with its files; behind a full backup its increments, in their order.", valueName: "file"))
    var paths: [String] = []

    @Option(
        help: ArgumentHelp(
            "A backup of the same server, instead of files; with an increment go those before it.", valueName: "id"))
    var from: String?

    @Flag(help: "What the tenant has gives way, and is kept for a time.")
    var replace = false

    @Flag(name: .customLong("dry-run"), help: "Reads and checks everything, and changes nothing.")
    var dryRun = false

    @OptionGroup var keys: BackupKeyOptions

    func validate() throws {
        guard paths.isEmpty != (from == nil) else { throw ValidationError("Give the backup's file or --from.") }
    }

    func run() async throws {
        let packages = try paths.map { path in
            let package = try BackupPackage(path)
            return (package, try package.manifest())
        }
        let given = try keys.given()
        for (package, manifest) in packages { try package.check(given, for: manifest) }
        try await server.withClient { client in
            let terminal = CommandContext.current.terminal
            let opens = try await isEncrypted(packages.map(\.1), client)
            if opens, given == nil { throw CommandFailure(.failed, BackupKeyOptions.needed) }
            let restore = try await client.restores.open(from: from, replaces: replace)
            terminal.complain("restore \(restore.id)")
            for (number, (package, manifest)) in packages.enumerated() {
                let names = manifest.files.map(\.name) + [BackupManifest.fileName]
                try await upload(package, names, backup: number, to: restore.id, client)
            }
            let ready = try await client.restores.get(restore.id)
            for warning in ready.warnings { terminal.complain("warning: \(warning)") }
            let started = try await client.restores.start(
                restore.id, dryRun: dryRun, passphrase: opens ? given?.passphrase : nil,
                identities: opens ? given?.identities : nil)
            var watcher = JobWatcher(terminal: terminal, isQuiet: false)
            let job = try await watcher.follow(client.jobs.monitor(started.id))
            guard job.state == .completed else { throw JobOutcome.failure(job) }
            terminal.say(dryRun ? "the backup can be restored" : restore.id)
        }
    }

    private func isEncrypted(_ manifests: [BackupManifest], _ client: WaybillClient) async throws -> Bool {
        guard let from else { return manifests.contains { $0.encryption != nil } }
        return try await client.backups.get(from).manifest?.encryption != nil
    }

    private func upload(
        _ package: BackupPackage, _ names: [String], backup: Int, to id: String, _ client: WaybillClient
    ) async throws {
        let terminal = CommandContext.current.terminal
        for (index, name) in names.enumerated() {
            let (file, length) = (PackageFile(package: package, name: name), package.length(of: name))
            if BackupBlobs.digest(of: name) != nil {
                let digest = String(name.dropFirst(BackupBlobs.prefix.count))
                try await client.restores.uploadBlob(file, length: length, as: digest, backup: backup, to: id)
            } else {
                try await client.restores.upload(file, length: length, as: name, backup: backup, to: id)
            }
            terminal.overwrite("\(index + 1) of \(names.count) files  \(BackupChain.label(name, of: backup))")
        }
        if terminal.width != nil { terminal.complain("") }
    }
}

/// `waybill backup undo`
struct BackupUndo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "undo", abstract: "Takes a restore back, while what was there before is kept.", discussion: ExitStatus.help)

    @OptionGroup var server: ServerOptions

    @Argument(help: "The restore's id.")
    var id: String

    func run() async throws {
        try await server.withClient { client in
            let restore = try await client.restores.undo(id)
            CommandContext.current.terminal.say(restore.status)
        }
    }
}
