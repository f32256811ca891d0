import MillraceCore
import MillraceTestSupport
import Testing

@testable import MillraceInference

@Suite struct RiskRoomTests {
    private func entry(_ id: Int, alone: Bool = false) -> RiskRoom.Entry {
        .init(id: id, jobs: [JobID(high: 0, low: UInt64(id))], isAlone: alone)
    }

    @Test func `any number goes in together, a suspect when all have left, and nobody beside it`() {
        var room = RiskRoom()
        #expect(room.come(entry(1)) == true)
        #expect(room.come(entry(2)) == true)
        #expect(room.come(entry(3, alone: true)) == false)
        #expect(room.leave() == [])
        #expect(room.leave() == [entry(3, alone: true)])
        #expect(room.come(entry(4)) == false)
        #expect(room.come(entry(5)) == false)
        #expect(room.leave() == [entry(4), entry(5)])
    }

    @Test func `who comes after a suspect that waits goes in after it`() {
        var room = RiskRoom()
        #expect(room.come(entry(1)) == true)
        #expect(room.come(entry(2, alone: true)) == false)
        #expect(room.come(entry(3)) == false)
        #expect(room.leave() == [entry(2, alone: true)])
        #expect(room.leave() == [entry(3)])
    }

    @Test func `a suspect that gives up lets those in that waited behind it`() {
        var room = RiskRoom()
        #expect(room.come(entry(1)) == true)
        #expect(room.come(entry(2, alone: true)) == false)
        #expect(room.come(entry(3)) == false)
        #expect(room.giveUp(2) == [entry(3)])
        #expect(room.giveUp(2) == nil)
        #expect(room.giveUp(1) == nil)
        #expect(room.inside == 2)
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `a suspect is never inside with another, and everybody comes to their turn`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var room = RiskRoom()
        var (inside, waiting): ([RiskRoom.Entry], Set<Int>) = ([], [])
        func note(_ entering: [RiskRoom.Entry]) {
            inside += entering
            for entry in entering { waiting.remove(entry.id) }
            #expect(inside.count == 1 || inside.allSatisfy { !$0.isAlone })
            #expect(room.inside == inside.count)
            #expect(!inside.isEmpty || waiting.isEmpty)
        }
        for id in 0..<5_000 {
            switch random.next() % 5 {
            case 0, 1:
                let entry = entry(id, alone: random.next() % 4 == 0)
                if room.come(entry) { note([entry]) } else { waiting.insert(id) }
            case 2, 3:
                guard !inside.isEmpty else { continue }
                inside.remove(at: Int(random.next() % UInt64(inside.count)))
                note(room.leave())
            default:
                guard let id = waiting.min(), let entering = room.giveUp(id) else { continue }
                waiting.remove(id)
                note(entering)
            }
        }
        while !inside.isEmpty {
            inside.removeLast()
            note(room.leave())
        }
        #expect(waiting.isEmpty)
    }
}
