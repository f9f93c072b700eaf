import type { FamilyTx } from '@keepsake/db'
import { Db, uuidv7 } from '@keepsake/db'
import {
  ClusterServiceService,
  type AnswerQuestionRequest,
  type ConfirmFaceRequest,
  type Correction,
  type CountStoredRequest,
  type EraseStrangerRequest,
  type ExportPersonRequest,
  type GetAssignmentsRequest,
  type GetPersonRequest,
  type ListCorrectionsRequest,
  type ListPeopleRequest,
  type ListQuestionsRequest,
  type MergePeopleRequest,
  type RejectFaceRequest,
  type SplitPersonRequest,
  type UndoCorrectionRequest,
  type UpdatePersonRequest,
} from '@keepsake/proto/cluster/v1'
import {
  familyOf,
  requireParent,
  requireService,
  RpcService,
  type Call,
  type MemberCaller,
  type RpcHandlers,
} from '@keepsake/rpc'
import type { Said } from './corrections.js'
import {
  answerQuestion,
  confirmFace,
  mergePeople,
  rejectFace,
  splitPerson,
  undoCorrection,
  updatePerson,
} from './corrections.js'
import { errors } from './errors.js'
import { exportPerson } from './known.js'
import { overruledBy } from './overruled.js'
import { Peers } from './peers.js'
import {
  countStored,
  getAssignments,
  getPerson,
  listBirthDoubts,
  listChildProposals,
  listCorrections,
  listPeople,
  listQuestions,
  progress,
} from './reading.js'
import { Runner } from './runner.js'
import { eraseStranger } from './strangers.js'

@RpcService(ClusterServiceService)
export class ClusterRpc implements RpcHandlers<typeof ClusterServiceService> {
  constructor(
    private readonly db: Db,
    private readonly runner: Runner,
    private readonly peers: Peers,
  ) {}

  listPeople(r: ListPeopleRequest, call: Call) {
    return this.db.family(call, tx => listPeople(tx, call, r))
  }

  async getPerson(r: GetPersonRequest, call: Call) {
    return { person: await this.db.family(call, tx => getPerson(tx, call, r.personId)) }
  }

  getAssignments(r: GetAssignmentsRequest, call: Call) {
    return this.db.family(call, tx => getAssignments(tx, call, r))
  }

  async updatePerson(r: UpdatePersonRequest, call: Call) {
    if (r.childId) await this.requireChild(call, r.childId)
    const said = await this.said(call, (tx, by) => updatePerson(tx, by, call.idempotencyKey, r))
    return {
      person: await this.db.family(call, tx => getPerson(tx, call, r.personId)),
      correctionIds: said.ids,
      overruled: said.overruled,
    }
  }

  async mergePeople(r: MergePeopleRequest, call: Call) {
    const said = await this.said(call, (tx, by) => mergePeople(tx, by, call.idempotencyKey, r.personId, r.intoPersonId))
    return {
      person: await this.db.family(call, tx => getPerson(tx, call, r.intoPersonId)),
      correctionId: said.ids[0]!,
      overruled: said.overruled,
    }
  }

  async splitPerson(r: SplitPersonRequest, call: Call) {
    const said = await this.said(call, (tx, by) =>
      splitPerson(tx, by, call.idempotencyKey, r.personId, r.faceIds, uuidv7()),
    )
    return {
      person: await this.db.family(call, tx => getPerson(tx, call, said.newPersonId)),
      correctionId: said.ids[0]!,
      overruled: said.overruled,
    }
  }

  async confirmFace(r: ConfirmFaceRequest, call: Call) {
    const said = await this.said(call, (tx, by) => confirmFace(tx, by, call.idempotencyKey, r.faceId, r.personId))
    return { correctionId: said.ids[0]!, overruled: said.overruled }
  }

  async rejectFace(r: RejectFaceRequest, call: Call) {
    const said = await this.said(call, (tx, by) => rejectFace(tx, by, call.idempotencyKey, r.faceId, r.personId))
    return { correctionId: said.ids[0]!, overruled: said.overruled }
  }

  async eraseStranger(r: EraseStrangerRequest, call: Call) {
    const { erasureIds } = await this.answered(call, (tx, by) => eraseStranger(tx, by, r.personId))
    return { erasureIds }
  }

  async undoCorrection(r: UndoCorrectionRequest, call: Call) {
    await this.answered(call, tx => undoCorrection(tx, r.correctionId))
    return {}
  }

  exportPerson(r: ExportPersonRequest, call: Call) {
    requireParent(call)
    return this.db.family(call, tx => exportPerson(tx, call, r))
  }

  listCorrections(r: ListCorrectionsRequest, call: Call) {
    requireParent(call)
    return this.db.family(call, tx => listCorrections(tx, r))
  }

  async listQuestions(r: ListQuestionsRequest, call: Call) {
    const asked = call.caller.kind === 'service' || (call.caller.kind === 'member' && call.caller.role === 'parent')
    return asked ? this.db.family(call, tx => listQuestions(tx, r)) : { questions: [], nextCursor: '' }
  }

  async answerQuestion(r: AnswerQuestionRequest, call: Call) {
    const said = await this.said(call, (tx, by) => answerQuestion(tx, by, call.idempotencyKey, r.questionId, r.answer))
    return { correctionId: said.ids[0], overruled: said.overruled }
  }

  async listChildProposals(_: object, call: Call) {
    if (call.caller.kind !== 'service') requireParent(call)
    return { proposals: await this.db.family(call, listChildProposals) }
  }

  async listBirthDoubts(_: object, call: Call) {
    if (call.caller.kind !== 'service') requireParent(call)
    return { doubts: await this.db.family(call, listBirthDoubts) }
  }

  getProgress(_: object, call: Call) {
    return this.db.family(call, progress)
  }

  async countStored(r: CountStoredRequest, call: Call) {
    requireService(call)
    return { rows: await this.db.family(call, tx => countStored(tx, r.mediaIds)) }
  }

  /** Writes a parent's words, waits until the people answer them, and says which earlier words they overruled. */
  private async said<S extends Said>(
    call: Call,
    write: (tx: FamilyTx, by: MemberCaller) => Promise<S>,
  ): Promise<S & { overruled: Correction[] }> {
    const said = await this.answered(call, write)
    return { ...said, overruled: await this.db.family(call, tx => overruledBy(tx, said.ids)) }
  }

  /** Changes what people are made of and waits until they answer it. */
  private async answered<S extends { generation: number }>(
    call: Call,
    write: (tx: FamilyTx, by: MemberCaller) => Promise<S>,
  ): Promise<S> {
    const by = requireParent(call)
    const said = await this.db.family(call, tx => write(tx, by))
    const settled = this.runner.answer(familyOf(call), said.generation, call.signal)
    let cancel = (): void => undefined
    const over = new Promise<never>((_, reject) => {
      cancel = () => reject(errors.stillWorking())
      call.signal.addEventListener('abort', cancel, { once: true })
    })
    try {
      await Promise.race([settled, over])
    } finally {
      call.signal.removeEventListener('abort', cancel)
      settled.catch(() => undefined)
    }
    return said
  }

  private async requireChild(call: Call, childId: string): Promise<void> {
    const { children } = await this.peers.family.listChildren({}, { call, deadlineMs: 5_000 })
    if (!children.some(child => child.id === childId)) throw errors.childNotFound()
  }
}
