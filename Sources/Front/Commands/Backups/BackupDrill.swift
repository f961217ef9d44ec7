import ArgumentParser
import WaybillClient

/// `waybill backup drill`
struct BackupDrill: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drill", abstract: "Tries whether a backup can be restored: into a scratch tenant, which goes afterwards.",
        discussion: """
            What came back is compared with what the backup's manifest says, row by row. \(ExitStatus.help)
            """)

    @OptionGroup var server: ServerOptions

    @Option(help: ArgumentHelp("The backup; the newest one if left out.", valueName: "id"))
    var backup: String?

    @Option(help: ArgumentHelp("Makes a schedule instead, in UTC: '0 5 * * 0'.", valueName: "cron"))
    var cron: String?

    @Flag(name: .customLong("no-wait"), help: "Prints the job's id and leaves.")
    var noWait = false

    func run() async throws {
        try await server.withClient { client in
            let terminal = CommandContext.current.terminal
            if let cron {
                terminal.say(try await client.drills.schedule(cron: cron, backup: backup).scheduleId)
                return
            }
            let started = try await client.drills.start(backup: backup)
            if noWait {
                terminal.say(started.id)
                return
            }
            var watcher = JobWatcher(terminal: terminal, isQuiet: false)
            let job = try await watcher.follow(client.jobs.monitor(started.id))
            let drill = try await client.drills.get(job.id)
            if let report = drill.report { for line in Self.lines(report) { terminal.say(line) } }
            guard job.state == .completed else { throw JobOutcome.failure(job) }
        }
    }

    /// A table of what was compared, what did not match, and how long it took.
    static func lines(_ report: Drill.Report) -> [String] {
        let rows = report.entities.map { ["\($0.name)", "\($0.rowsExpected)", "\($0.rowsFound)", $0.comparison] }
        var lines = TextTable.lines(["ENTITY", "ROWS", "RESTORED", "COMPARED BY"], rows)
        if let blobs = report.blobs, blobs.expected > 0 {
            lines.append("\(blobs.found) of \(blobs.expected) blobs, \(Figures.bytes(blobs.bytes))")
        }
        for drift in report.drift {
            let place = [drift.file ?? drift.entity, drift.line.map { "line \($0)" }].compactMap(\.self).joined(separator: ", ")
            lines.append("DRIFT  \(place): \(drift.reason)")
        }
        let times = report.steps.map { "\($0.name) \($0.milliseconds) ms" }.joined(separator: ", ")
        lines.append("\(report.outcome)  backup \(report.backupId)\(report.cutAt.map { " of \($0)" } ?? "")  \(times)")
        return lines
    }
}
