import ArgumentParser
import Assembly
import Foundation

/// `waybill migrate`
struct MigrateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate", abstract: "Looks after the schema of the database.",
        discussion: """
            A server on SQLite must be stopped for it. With database.migrate set to auto, `serve` does what `up` does.
            """,
        subcommands: [MigrateStatus.self, MigratePlan.self, MigrateUp.self])
}

/// `waybill migrate status`
struct MigrateStatus: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Lists every step of the schema, and when it was applied.",
        discussion: """
            EXIT STATUS: 0 the schema is what this program needs; 1 steps are to come, or a newer program has been here; 2 wrong \
            usage or configuration.
            """)

    @OptionGroup var settings: SettingsOptions

    @Flag(help: "Prints JSON.")
    var json = false

    func run() async throws {
        let context = CommandContext.current
        let steps = try await context.actions.migrate(try settings.load().settings, .status)
        if json {
            context.terminal.say(try JSONText.pretty(steps.map(ShownStep.init)))
        } else {
            let rows = steps.map { step in
                let state = !step.isKnown ? "unknown here" : step.appliedAt == nil ? "pending" : "applied"
                return [step.room, "\(step.number)", step.title, state, step.appliedAt.map(ShownStep.time) ?? ""]
            }
            for line in TextTable.lines(["ROOM", "STEP", "TITLE", "STATE", "APPLIED"], rows) { context.terminal.say(line) }
        }
        if steps.contains(where: { !$0.isKnown }) {
            throw CommandFailure(.failed, "a newer waybill has been here; this one does not work on the database")
        }
        if steps.contains(where: { $0.appliedAt == nil }) { throw CommandFailure(.failed, "") }
    }
}

/// `waybill migrate plan`
struct MigratePlan: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Prints the SQL that `up` would run, and changes nothing.",
        discussion: "EXIT STATUS: 0 printed; 1 a newer program has been here, or something else went wrong; 2 wrong usage.")

    @OptionGroup var settings: SettingsOptions

    @Flag(help: "Prints JSON.")
    var json = false

    func run() async throws {
        let context = CommandContext.current
        let steps = try await context.actions.migrate(try settings.load().settings, .plan)
        if json { return context.terminal.say(try JSONText.pretty(steps.map(ShownStep.init))) }
        guard !steps.isEmpty else { return context.terminal.say("-- the schema is up to date") }
        for step in steps {
            context.terminal.say("-- \(step.room) \(step.number): \(step.title)")
            for statement in step.statements ?? [] { context.terminal.say("\(statement);") }
        }
    }
}

/// `waybill migrate up`
struct MigrateUp: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up", abstract: "Applies the steps that are to come, in one transaction.",
        discussion: "EXIT STATUS: 0 done; 1 a newer program has been here, or something else went wrong; 2 wrong usage.")

    @OptionGroup var settings: SettingsOptions

    @Flag(help: "Prints JSON.")
    var json = false

    func run() async throws {
        let context = CommandContext.current
        let steps = try await context.actions.migrate(try settings.load().settings, .up)
        if json { return context.terminal.say(try JSONText.pretty(steps.map(ShownStep.init))) }
        guard !steps.isEmpty else { return context.terminal.say("the schema is up to date") }
        for step in steps { context.terminal.say("\(step.room) \(step.number): \(step.title)") }
    }
}

/// A step in JSON.
private struct ShownStep: Encodable {
    var room: String
    var number: Int
    var title: String
    var isKnown: Bool
    var appliedAt: String?
    var statements: [String]?

    init(_ step: SchemaKeeper.Step) {
        room = step.room
        number = step.number
        title = step.title
        isKnown = step.isKnown
        appliedAt = step.appliedAt.map(Self.time)
        statements = step.statements
    }

    static func time(_ microseconds: Int64) -> String {
        JSONText.time(Date(timeIntervalSince1970: Double(microseconds) / 1_000_000))
    }
}
