import ArgumentParser
import WaybillClient

/// `waybill backup`
struct BackupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Makes a tenant's backups, checks them and brings them back.",
        discussion: ExitStatus.help,
        subcommands: [
            BackupCreate.self, BackupList.self, BackupDownload.self, BackupVerify.self, BackupRestore.self, BackupUndo.self,
            BackupDrill.self,
        ])

    /// Loads a backup down, and says how far that is.
    static func load(_ id: String, to path: String, _ client: WaybillClient) async throws {
        let terminal = CommandContext.current.terminal
        let file = try await client.backups.download(id, to: path) { bytes, total in
            let whole = total.map { " of \(Figures.bytes($0))" } ?? ""
            terminal.overwrite("\(path): \(Figures.bytes(bytes))\(whole)")
        }
        if terminal.width != nil { terminal.complain("") }
        terminal.say("\(path)  \(Figures.bytes(file.bytes))")
    }

    static func list(_ text: String?) -> [String]? {
        text?.split(separator: ",").map { String($0.drop { $0 == " " }) }
    }
}

/// `waybill backup create`
struct BackupCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Makes a backup of the tenant, and shows how far it is.", discussion: ExitStatus.help)

    @OptionGroup var server: ServerOptions

    @Option(help: ArgumentHelp("What is backed up, with commas between: content, notices, schedules, …", valueName: "entities"))
    var entities: String?

    @Option(
        help: ArgumentHelp(
            "Makes an increment: what has changed since this backup, or since the 'last' one, if there is one that will do.",
            valueName: "id|last"))
    var since: String?

    @Flag(name: .customLong("no-blobs"), help: "Leaves the bytes of files out.")
    var noBlobs = false

    @Option(help: ArgumentHelp("Makes a schedule instead, in UTC: '0 3 * * *'.", valueName: "cron"))
    var cron: String?

    @Option(
        name: .customLong("recipient"),
        help: ArgumentHelp("Encrypts it for the owner of this key of age, age1…; may be given again.", valueName: "key"))
    var recipients: [String] = []

    @OptionGroup var passphrase: BackupPassphraseOption

    @Option(name: .shortAndLong, help: ArgumentHelp("Loads the backup down to this path, as one ZIP.", valueName: "file"))
    var output: String?

    @Flag(name: .customLong("no-wait"), help: "Prints the job's id and leaves.")
    var noWait = false

    func validate() throws {
        if noWait || cron != nil, output != nil { throw ValidationError("--output waits for the backup.") }
        guard passphrase.file != nil else { return }
        guard recipients.isEmpty else { throw ValidationError("--recipient and --passphrase-file don't go together.") }
        guard cron == nil else { throw ValidationError("A schedule would have to keep the passphrase: give --recipient.") }
    }

    func run() async throws {
        // A variable that is set for other commands does not encrypt what has other keys, or can't have it.
        let passphrase = recipients.isEmpty && cron == nil ? try passphrase.given() : nil
        try await server.withClient { client in
            let terminal = CommandContext.current.terminal
            let entities = BackupCommand.list(entities)
            let recipients = recipients.isEmpty ? nil : recipients
            if let cron {
                let made = try await client.backups.schedule(
                    cron: cron, entities: entities, blobs: !noBlobs, since: since, recipients: recipients)
                terminal.say(made.scheduleId)
                return
            }
            let started = try await client.backups.create(
                entities: entities, blobs: !noBlobs, since: since, recipients: recipients, passphrase: passphrase)
            if noWait {
                terminal.say(started.id)
                return
            }
            var watcher = JobWatcher(terminal: terminal, isQuiet: false)
            let job = try await watcher.follow(client.jobs.monitor(started.id))
            guard job.state == .completed else { throw JobOutcome.failure(job) }
            if let output { try await BackupCommand.load(job.id, to: output, client) } else { terminal.say(job.id) }
        }
    }
}

/// `waybill backup list`
struct BackupList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists the tenant's backups, oldest first.", discussion: ExitStatus.help)

    @OptionGroup var server: ServerOptions

    @Flag(help: "Prints the list as JSON.")
    var json = false

    func run() async throws {
        try await server.withClient { client in
            let list = try await client.backups.list()
            let terminal = CommandContext.current.terminal
            if json {
                terminal.say(try JSONText.pretty(list))
                return
            }
            let rows = list.map { backup in
                [
                    backup.id, backup.status, backup.createdAt.map(JSONText.time) ?? "",
                    backup.lastUpdatedAt.map(JSONText.time) ?? "",
                ]
            }
            for line in TextTable.lines(["ID", "STATUS", "CREATED", "UPDATED"], rows) { terminal.say(line) }
        }
    }
}

/// `waybill backup download`
struct BackupDownload: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "download", abstract: "Loads a backup down as one ZIP.", discussion: ExitStatus.help)

    @OptionGroup var server: ServerOptions

    @Argument(help: "The backup's id.")
    var id: String

    @Option(name: .shortAndLong, help: ArgumentHelp("Where to; backup-ID.zip if left out.", valueName: "file"))
    var output: String?

    func run() async throws {
        try await server.withClient { client in
            try await BackupCommand.load(id, to: output ?? "backup-\(id).zip", client)
        }
    }
}
