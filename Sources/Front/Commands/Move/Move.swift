import ArgumentParser
import Assembly

/// `waybill move`
struct MoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "move", abstract: "Moves an installation to another database, with everything that is under way.",
        discussion: """
            Stop the server first. Nothing starts on either side until the move has ended; then the new side takes over, and the \
            old one stays closed. If it breaks off, run it again: it goes on. The new database must be empty. Use the old \
            signing.key on the new side, so that tokens, links and kept answers stay good. A password is better left to \
            PGPASSFILE than written into --to.

            EXIT STATUS: 0 moved; 1 something went wrong, and it can be run again; 2 wrong usage.
            """)

    @Option(help: ArgumentHelp("Where the installation is: sqlite:DIR or postgres://…", valueName: "place"))
    var from: String

    @Option(help: ArgumentHelp("Where it goes.", valueName: "place"))
    var to: String?

    @Option(
        name: .customLong("from-blobs"),
        help: ArgumentHelp("Where its files are, if not in the data folder: s3://… or file:///…", valueName: "url"))
    var fromBlobs: String?

    @Option(
        name: .customLong("to-blobs"),
        help: ArgumentHelp(
            "Copies the files there: s3://… or file:///…, or `data` for the folder of --to. Without it they stay where they are.",
            valueName: "url"))
    var toBlobs: String?

    @Flag(name: .customLong("give-up"), help: "Gives up a move from there that has not ended: servers may start there again.")
    var givesUp = false

    @Flag(help: "Prints JSON.")
    var json = false

    func validate() throws {
        guard givesUp != (to != nil) else { throw ValidationError("Give either --to or --give-up.") }
        if toBlobs == "data", to?.hasPrefix("sqlite:") != true {
            throw ValidationError("--to-blobs data is for --to sqlite:DIR")
        }
        if toBlobs != nil, fromBlobs == nil, !from.hasPrefix("sqlite:") {
            throw ValidationError("--to-blobs needs --from-blobs: a database has no files of its own")
        }
    }

    func run() async throws {
        let context = CommandContext.current
        let source = try settings(from, blobs: fromBlobs)
        guard let to else {
            try await context.actions.giveUpMove(source)
            return context.terminal.say("servers may start on \(Self.plain(from)) again")
        }
        let target = try settings(to, blobs: toBlobs == "data" ? nil : toBlobs)
        let report = try await context.actions.move(source, target, toBlobs != nil)
        if json { return context.terminal.say(try JSONText.pretty(Shown(report))) }
        let rows = report.tables.reduce(0) { $0 + $1.rows }
        context.terminal.say("moved: \(report.tables.count) tables, \(rows) rows, \(report.blobs ?? 0) files")
    }

    /// - Throws: `ValidationError`, `SettingsError`.
    private func settings(_ place: String, blobs: String?) throws -> Settings {
        // Variables of a server would lead both sides to the same place.
        var environment = CommandContext.current.environment.filter { !$0.key.hasPrefix("WAYBILL_") }
        var flags = blobs.map { [SettingFlag(flag: "--set", name: "blobs.url", value: $0)] } ?? []
        if place.hasPrefix("sqlite:"), place.utf8.count > 7 {
            flags.append(SettingFlag(flag: "--data", name: "data.folder", value: String(place.dropFirst(7))))
        } else if place.hasPrefix("postgres://") || place.hasPrefix("postgresql://") {
            environment["WAYBILL_DATABASE_URL"] = place
        } else {
            throw ValidationError("a place is sqlite:DIR or postgres://…")
        }
        return try Settings.load(flags: flags, environment: environment).settings
    }

    /// Without what may hold a password.
    private static func plain(_ place: String) -> String { place.hasPrefix("sqlite:") ? place : "the database" }

    private struct Shown: Encodable {
        struct Table: Encodable {
            var name: String
            var rows: Int
        }

        var tables: [Table]
        var blobs: Int?
        var blobBytes: Int64?
        var fencedJobs: Int

        init(_ report: InstallationMove.Report) {
            tables = report.tables.map { Table(name: $0.name, rows: $0.rows) }
            blobs = report.blobs
            blobBytes = report.blobBytes
            fencedJobs = report.fencedJobs
        }
    }
}
