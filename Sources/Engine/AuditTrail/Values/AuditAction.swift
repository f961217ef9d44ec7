/// What was done: `noun.verb`.
public struct AuditAction: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: String

    public init(rawValue: String) { self.rawValue = rawValue }

    public var description: String { rawValue }

    public static let contentTypeStore = AuditAction(rawValue: "content.type.store")
    public static let contentTypeDelete = AuditAction(rawValue: "content.type.delete")
    public static let contentItemStore = AuditAction(rawValue: "content.item.store")
    public static let contentItemDelete = AuditAction(rawValue: "content.item.delete")
    /// Many at once: one event for each transaction.
    public static let contentItemsStore = AuditAction(rawValue: "content.items.store")
    public static let jobStart = AuditAction(rawValue: "job.start")
    public static let jobCancel = AuditAction(rawValue: "job.cancel")
    public static let jobPause = AuditAction(rawValue: "job.pause")
    public static let jobResume = AuditAction(rawValue: "job.resume")
    public static let jobRetry = AuditAction(rawValue: "job.retry")
    /// An unfinished job is started over.
    public static let jobRestart = AuditAction(rawValue: "job.restart")
    /// What a job has made is taken back.
    public static let jobRevoke = AuditAction(rawValue: "job.revoke")
    public static let keyCreate = AuditAction(rawValue: "apikey.create")
    public static let keyRevoke = AuditAction(rawValue: "apikey.revoke")
    public static let tenantErase = AuditAction(rawValue: "tenant.erase")
    public static let noticeRead = AuditAction(rawValue: "notification.read")

    public static let backupRemove = AuditAction(rawValue: "backup.remove")
    public static let backupScheduleStore = AuditAction(rawValue: "backup.schedule.store")
    public static let backupScheduleRemove = AuditAction(rawValue: "backup.schedule.remove")
    public static let restoreOpen = AuditAction(rawValue: "restore.open")
    public static let restoreUpload = AuditAction(rawValue: "restore.upload")
    /// What was restored is the tenant's from now on.
    public static let restoreComplete = AuditAction(rawValue: "restore.complete")
    public static let restoreUndo = AuditAction(rawValue: "restore.undo")
    public static let restoreRemove = AuditAction(rawValue: "restore.remove")

    public static let uploadsCleanUp = AuditAction(rawValue: "file.uploads.clean")
    public static let fileStore = AuditAction(rawValue: "file.store")
    public static let fileChange = AuditAction(rawValue: "file.change")
    public static let fileDelete = AuditAction(rawValue: "file.delete")
    /// A file goes because its time has passed.
    public static let fileExpire = AuditAction(rawValue: "file.expire")
    public static let bundleStore = AuditAction(rawValue: "file.bundle.store")
    public static let bundleRemove = AuditAction(rawValue: "file.bundle.remove")
    public static let poolStore = AuditAction(rawValue: "file.pool.store")
    public static let poolRemove = AuditAction(rawValue: "file.pool.remove")
    public static let quotaSet = AuditAction(rawValue: "file.quota.set")

    /// The actions that Waybill itself records. Other programs can't append events of these.
    public static let builtIn: [AuditAction] = [
        contentTypeStore, contentTypeDelete, contentItemStore, contentItemDelete, contentItemsStore, jobStart, jobCancel,
        jobPause,
        jobResume, jobRetry, jobRestart, jobRevoke, keyCreate, keyRevoke, tenantErase, noticeRead, backupRemove,
        backupScheduleStore, backupScheduleRemove, restoreOpen, restoreUpload, restoreComplete, restoreUndo, restoreRemove,
        uploadsCleanUp, fileStore, fileChange, fileDelete, fileExpire, bundleStore, bundleRemove, poolStore, poolRemove, quotaSet,
    ]
    static let builtInNames = Set(builtIn.map(\.rawValue))

    /// Whether it is one that Waybill itself records.
    public var isBuiltIn: Bool { AuditAction.builtInNames.contains(rawValue) }
}
