import ArgumentParser
import WaybillClient

/// `waybill tenant`
struct TenantCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tenant", abstract: "Looks after the tenants of the installation.", discussion: ExitStatus.help,
        subcommands: [TenantList.self, TenantDelete.self])
}

/// `waybill tenant list`
struct TenantList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists the tenants.", discussion: ExitStatus.help)

    @OptionGroup var folder: FolderOptions

    func run() async throws {
        let tenants = try await folder.perform(
            tenant: nil, remote: { try await $0.tenants.list() }, local: { try await $0.tenants() })
        let terminal = CommandContext.current.terminal
        guard !folder.json else { return terminal.say(try JSONText.pretty(tenants)) }
        for line in TextTable.lines(["TENANT", "STATE"], tenants.map { [$0.name, $0.state ?? ""] }) { terminal.say(line) }
    }
}

/// `waybill tenant delete`
struct TenantDelete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Erases a tenant: its content, jobs, files, keys and notices.",
        discussion: "The erasure is a job; on a folder it runs with the server's next start.\n\n\(ExitStatus.help)")

    @OptionGroup var folder: FolderOptions

    @Argument(help: "The tenant's name.")
    var name: String

    @Option(help: ArgumentHelp("The tenant's name once more, because nothing of it is left.", valueName: "name"))
    var confirm: String

    func validate() throws {
        guard confirm == name else { throw ValidationError("--confirm takes the tenant's name once more: \(name)") }
    }

    func run() async throws {
        let job = try await folder.perform(
            tenant: nil, remote: { [name] in try await $0.tenants.delete(name) },
            local: { [name] in try await $0.deleteTenant(name) })
        let terminal = CommandContext.current.terminal
        terminal.say(folder.json ? try JSONText.pretty(job) : "\(name): erased by job \(job.id)")
    }
}
