import ContentExport
import Notify
import WaybillDatabases
import WaybillEngine
import Web

/// Every table of the server, room by room.
enum Migrations {
    static let all: [SQLMigration] = EngineMigrations.all + WebMigrations.all + ContentMigrations.all + NotifyMigrations.all
}
