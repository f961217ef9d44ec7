import Testing
import WaybillEngine

@testable import Drive

@Suite struct FinishPlanTests {
    private func upload(_ role: Upload.Role = .file, hash: [UInt8]? = nil, isEncrypted: Bool = false) throws -> Upload {
        let time = Timestamp(microseconds: 0)
        return Upload(
            Upload.Fields(
                id: try #require(JobID("01890a5d-ac96-774b-bcce-000000000001")), tenant: try #require(TenantID("acme")),
                account: "ann", name: "a", size: 100, contentType: "text/plain", hash: hash, chunkSize: 10, pool: "p", place: "",
                wire: .tus, role: role, isEncrypted: isEncrypted, createdAt: time, updatedAt: time, activeAt: time))
    }

    @Test("what came in order and is renamed takes nothing; what did not is read, what is far away is sent")
    func files() throws {
        let file = try upload()
        #expect(FinishPlan(file, hashed: 100, copiesBytes: false).bytes == 0)
        #expect(FinishPlan(file, hashed: 30, copiesBytes: false).bytes == 70)
        #expect(FinishPlan(file, hashed: 100, copiesBytes: true).bytes == 100)
        #expect(FinishPlan(file, hashed: 0, copiesBytes: true).bytes == 200)
    }

    @Test("what is encrypted is read once, wherever it goes; what is joined as well")
    func others() throws {
        #expect(FinishPlan(try upload(isEncrypted: true), hashed: 100, copiesBytes: true).bytes == 100)
        #expect(FinishPlan(try upload(.joined), hashed: 0, copiesBytes: true).bytes == 100)
        #expect(FinishPlan(try upload(.part), hashed: 0, copiesBytes: false).bytes == 0)
        #expect(FinishPlan(try upload(.part, hash: [1]), hashed: 40, copiesBytes: true).bytes == 160)
    }

    @Test("percent go from 0 to 100, whatever is done")
    func percent() throws {
        let plan = FinishPlan(try upload(), hashed: 0, copiesBytes: false)
        #expect([0, 50, 100, 200, -1].map { plan.progress($0) } == [0, 50, 100, 100, 0])
        #expect(FinishPlan(try upload(), hashed: 100, copiesBytes: false).progress(0) == 100)
    }
}
