import ArgumentParser
import WaybillClient

extension AuditCalls.Format: ExpressibleByArgument {}

/// `waybill audit export`
struct AuditExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Exports the audit log, shows how far it is, and loads the archive down.",
        discussion: "Without --output, the signed link is printed.\n\n\(ExitStatus.help)")

    @OptionGroup var server: ServerOptions

    @Option(
        name: .customLong("username"), help: ArgumentHelp("Only events of this user; may be repeated.", valueName: "name"))
    var users: [String] = []

    @Option(name: .customLong("action"), help: ArgumentHelp("Only events of this action; likewise.", valueName: "action"))
    var actions: [String] = []

    @Option(help: ArgumentHelp("From this day or instant on: 2026-01-01.", valueName: "time"))
    var from: String?

    @Option(help: ArgumentHelp("Through this day or instant: 2026-03-31.", valueName: "time"))
    var through: String?

    @Option(help: "json, ndjson or csv.")
    var format = AuditCalls.Format.json

    @Flag(help: "Starts an unfinished export of the same over.")
    var restart = false

    @Option(name: .shortAndLong, help: ArgumentHelp("Loads the archive down to this path.", valueName: "file"))
    var output: String?

    @Flag(name: .customLong("no-wait"), help: "Prints the job's id and leaves.")
    var noWait = false

    @Flag(help: "Prints the export as JSON, and no progress.")
    var json = false

    func validate() throws {
        if noWait, output != nil { throw ValidationError("--output waits for the file, so it can't be used with --no-wait.") }
    }

    func run() async throws {
        let filter = AuditFilter(
            usernames: users.isEmpty ? nil : users, actions: actions.isEmpty ? nil : actions, dateFrom: from, dateTo: through)
        try await server.withClient { client in
            let id = try await client.audit.export(filter, format: format, restart: restart)
            let terminal = CommandContext.current.terminal
            if noWait { return terminal.say(json ? try JSONText.pretty(try await client.audit.get(id)) : id) }
            var watcher = JobWatcher(terminal: terminal, isQuiet: json)
            _ = try await watcher.follow(client.audit.monitor(id))
            let export = try await client.audit.get(id)
            guard export.status == "completed" else {
                if json { terminal.say(try JSONText.pretty(export)) }
                throw CommandFailure(
                    .failed, "export \(id) is \(export.reason ?? export.status)\(export.message.map { ": \($0)" } ?? "")")
            }
            if let output {
                let file = try await client.audit.download(id, to: output)
                if !json { terminal.say("\(output)  \(Figures.bytes(file.bytes))") }
            }
            report(export, client)
        }
    }

    private func report(_ export: AuditExport, _ client: WaybillClient) {
        let terminal = CommandContext.current.terminal
        if json {
            if let text = try? JSONText.pretty(export) { terminal.say(text) }
            return
        }
        let chain =
            export.chain.map { $0.holds ? "; the chain holds" : "; THE CHAIN IS BROKEN at \($0.firstBrokenId ?? 0)" } ?? ""
        terminal.complain("\(Figures.grouped(export.count)) events in \(export.files ?? 0) files\(chain)")
        if output == nil, let link = export.downloadUrl { terminal.say(link.hasPrefix("/") ? client.url + link : link) }
    }
}
