public import ArgumentParser
import Assembly
import Foundation
import WaybillClient

/// The program: `waybill NOUN VERB`.
public struct WaybillCommand: AsyncParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "waybill",
        abstract: "Moves an application's content in and out of it, as durable jobs.",
        discussion: ExitStatus.help,
        version: WaybillVersion.text,
        subcommands: [
            ServeCommand.self, WorkerCommand.self, TokenCommand.self, APIKeyCommand.self, ExportCommand.self, JobsCommand.self,
            BackupCommand.self, UploadCommand.self, DownloadCommand.self, TenantCommand.self, AuditCommand.self,
            DoctorCommand.self, ConfigCommand.self, MigrateCommand.self, MoveCommand.self,
        ])

    public init() {}

    /// Runs the command that the process was started with, and ends the process.
    public static func launch() async -> Never {
        Foundation.exit(await run(Array(CommandLine.arguments.dropFirst())))
    }

    /// Runs one command line.
    /// - Returns: the exit status.
    static func run(_ arguments: [String]) async -> Int32 {
        do {
            var command = try parseAsRoot(arguments)
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            return ExitStatus.ok.rawValue
        } catch {
            return report(error).rawValue
        }
    }

    /// Says what went wrong, on standard error.
    private static func report(_ error: any Error) -> ExitStatus {
        let terminal = CommandContext.current.terminal
        switch error {
        case let error as CommandFailure:
            if !error.description.isEmpty { terminal.complain("waybill: \(error.description)") }
            return error.status
        case let error as SettingsError:
            for problem in error.problems { terminal.complain("waybill: \(problem)") }
            return .usage
        case let error as WaybillClientError:
            terminal.complain("waybill: \(error)")
            return ExitStatus(error)
        default:
            let code = exitCode(for: error)
            let text = fullMessage(for: error)
            if code == .success {
                terminal.say(text)
                return .ok
            }
            terminal.complain(code == .validationFailure ? text : "waybill: \(error)")
            return code == .validationFailure ? .usage : .failed
        }
    }
}
