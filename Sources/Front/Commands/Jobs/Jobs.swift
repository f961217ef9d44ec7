import ArgumentParser
import WaybillClient

/// `waybill jobs`
struct JobsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "jobs", abstract: "Looks at jobs, and tells them what to do.", discussion: ExitStatus.help,
        subcommands: [
            JobsList.self, JobsShow.self, JobsWatch.self, JobsCancel.self, JobsPause.self, JobsResume.self, JobsRetry.self,
        ])
}

extension JobState: ExpressibleByArgument {
    public init?(argument: String) {
        guard JobState.names.contains(argument) else { return nil }
        self.init(rawValue: argument)
    }

    static let names = ["pending", "running", "paused", "completed", "failed", "cancelled", "expired"]
    public static var allValueStrings: [String] { names }
}
