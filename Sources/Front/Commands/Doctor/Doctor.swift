import ArgumentParser
import Assembly

/// `waybill doctor`
struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Looks whether a server can work here: configuration, folder, database, files, space, clock.",
        discussion:
            "EXIT STATUS: 0 nothing is wrong, though there may be warnings; 1 something is; 2 wrong usage or configuration.")

    @OptionGroup var settings: SettingsOptions

    @Flag(help: "Prints JSON.")
    var json = false

    func run() async throws {
        let context = CommandContext.current
        let settings = try settings.load().settings
        var findings = DoctorExamination.versions() + [DoctorExamination.clock(ProcessFacts.clock)]
        let folder = DoctorExamination.folder(settings.data.folder)
        findings += folder
        if !folder.contains(where: { $0.level == .failed }) { findings += await context.actions.inspect(settings) }
        if json {
            context.terminal.say(try JSONText.pretty(findings))
        } else {
            let rows = findings.map { [$0.level.rawValue, $0.name, $0.message] }
            for line in TextTable.lines(["", "", ""], rows).dropFirst() { context.terminal.say(line) }
        }
        if findings.contains(where: { $0.level == .failed }) { throw CommandFailure(.failed, "") }
    }
}

/// One thing that was looked at.
struct DoctorFinding: Sendable, Hashable, Encodable {
    enum Level: String, Sendable, Encodable { case ok, warning, failed }

    var name: String
    var level: Level
    /// What was found, and what to do about it.
    var message: String
}
