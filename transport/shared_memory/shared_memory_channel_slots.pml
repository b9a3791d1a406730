/* SPDX-License-Identifier: MIT
 *
 * A model of the part that shared_memory_channel.pml leaves out, the ownership of slots:
 * internal/slots.cc and its users. For Spin, under sequential consistency.
 *
 * NC callers of CALLS calls each want the same, only slot. They may give up. The listener opens and
 * closes OPENINGS times; it has a successor, which opens once. With -DDIE each of them but the
 * successor may die at each access to shared memory.
 *
 * In the model: `owner`, `state` (phase and generation), `generation`, `listener`; Acquire,
 * TryReclaim, GiveUp, CheckListenerLives, Release; Open, Take, Answer, FreeAbandoned, Close.
 * Not in it: waking, the doorbell: a listener sees a request at once.
 *
 * A caller that reads an outcome must own the slot, and the outcome must be its own. At the end, if
 * there is a listener, the slot is free or a dead process's.
 *
 * -DMUTATE_LIVING: a caller takes over what a living one has abandoned to a listener that is gone.
 * -DMUTATE_SWEEP: a caller that abandons a call does not tell a listener that has opened since.
 */
#ifndef NC
#define NC 2
#endif
#ifndef CALLS
#define CALLS 2
#endif
#ifndef OPENINGS
#define OPENINGS 2
#endif
#define IDLE 0
#define REQ 1
#define TAKEN 2
#define DONE 3
#define ABANDONED 4
/* Processes: callers are 1 to NC. */
#define FIRST (NC + 1)
#define SECOND (NC + 2)

byte owner;
byte state;
byte sgen;          /* the generation of TAKEN and ABANDONED */
byte gen;
byte listener;
byte asked;         /* whose call the request is, and so the outcome: caller and number */
byte answered;
bool bit_;           /* the listener must look at the slot once more */
bool dead[NC + 3];
byte over;          /* callers that are through, or dead */

#define GONE(g) (g != gen || listener == 0 || dead[listener])
#define SET(p, g) state = p; sgen = g   /* in one step */
#ifdef DIE
#define MAYDIE if :: true -> skip :: (me != SECOND) -> dead[me] = true; goto end fi
#else
#define MAYDIE skip
#endif

/* After the state has become ABANDONED of generation g: a listener that has opened since has looked
 * already. */
inline Announce(g) {
#ifdef MUTATE_SWEEP
  skip
#else
  if :: g != gen -> bit_ = true :: else fi
#endif
}

proctype Caller(byte me) {
  byte n = 0; byte theirs; byte left; byte lg; byte call; bool got;
next:
  if :: n == CALLS -> goto end :: else -> n++ fi;
  call = 10 * me + n;
  /* Acquire */
  do
  :: (listener == 0 || dead[listener]) -> goto next
  :: atomic { owner == 0 -> owner = me }; break
  :: owner != 0 ->
     /* TryReclaim */
     got = false;
     theirs = owner;
     if :: theirs == 0 -> goto tried :: else fi;
#ifndef MUTATE_LIVING
     if :: !dead[theirs] -> goto tried :: else fi;
     atomic { left = state; lg = sgen };
     if :: (left == ABANDONED && !GONE(lg)) -> goto tried :: else fi;
#else
     atomic { left = state; lg = sgen };
     if :: (left == ABANDONED && !GONE(lg)) -> goto tried :: else fi;
     if :: (left != ABANDONED && !dead[theirs]) -> goto tried :: else fi;
#endif
     if
     :: atomic { owner == theirs -> owner = me }
     :: atomic { owner != theirs -> goto tried }
     fi;
     MAYDIE;
     if
     :: left == ABANDONED ->
        atomic { if :: (state == ABANDONED && sgen == lg) -> SET(IDLE, 0); got = true :: else fi }
     :: else ->
        do
        :: atomic { left = state; lg = sgen };
           if
           :: (left == TAKEN && !GONE(lg)) ->
              if
              :: atomic { (state == left && sgen == lg) -> SET(ABANDONED, lg) };
                 MAYDIE;
                 Announce(lg);
                 break
              :: atomic { !(state == left && sgen == lg) -> skip }
              fi
           :: else ->
              if
              :: atomic { (state == left && sgen == lg) -> SET(IDLE, 0) }; got = true; break
              :: atomic { !(state == left && sgen == lg) -> skip }
              fi
           fi
        od
     fi;
     MAYDIE;
tried:
     if :: got -> break :: else fi
  od;
  MAYDIE;
  /* Send */
  asked = call;
  atomic { SET(REQ, 0) };
  MAYDIE;
  if
  :: listener == 0 ->
     if
     :: atomic { state == REQ -> SET(IDLE, 0) }; goto release
     :: atomic { state != REQ -> skip }
     fi
  :: else
  fi;
  /* AwaitOutcome, GiveUp, CheckListenerLives */
  do
  :: state == DONE -> assert(owner == me); assert(answered == call); goto release
  :: atomic { state == REQ -> SET(IDLE, 0) }; goto release
  :: atomic { state == TAKEN -> lg = sgen; SET(ABANDONED, sgen) };
     MAYDIE;
     Announce(lg);
     goto next
  :: atomic { (state == TAKEN && GONE(sgen)) -> SET(IDLE, 0) }; goto release
  :: (state == IDLE || state == ABANDONED) -> assert(false)   /* another has it */
  od;
release:
  MAYDIE;
  owner = 0;
  goto next;
end:
  over++
}

inline FreeAbandoned() {
  owner = me;
  MAYDIE;
  atomic { SET(IDLE, 0) };
  MAYDIE;
  owner = 0
}

proctype Listener(byte me; byte openings) {
  byte mine; byte g; bool look;
open:
end_open:
  atomic { (listener == 0 || dead[listener]) -> listener = me };
  MAYDIE;
  atomic { gen++; mine = gen };
  MAYDIE;
  look = true;
end_serve:
  do
  :: atomic { state == REQ -> SET(TAKEN, mine) };
     MAYDIE;
     answered = asked;
     MAYDIE;
     if
     :: atomic { state == TAKEN -> SET(DONE, 0) }
     :: atomic { state == ABANDONED -> skip }; FreeAbandoned()
     :: atomic { (state != TAKEN && state != ABANDONED) -> skip }
     fi
  :: (look || bit_) ->
     look = false;
     bit_ = false;
     g = 0;
     atomic { if :: (state == ABANDONED && sgen != mine) -> g = sgen :: else fi };
     if
     :: g != 0 ->
        atomic { if :: (state == ABANDONED && sgen == g) -> SET(ABANDONED, mine) :: else -> g = 0 fi };
        MAYDIE;
        if :: g != 0 -> FreeAbandoned() :: else fi
     :: else
     fi
  :: me == FIRST -> break
  od;
  /* Close. A request that comes now is its sender's to withdraw. */
  MAYDIE;
  openings--;
  listener = 0;
  if :: openings > 0 -> goto open :: else fi;
end: skip
}

active proctype Auditor() {
end_wait:
  (over == NC);
  if
  :: timeout -> if :: (listener == SECOND) -> assert(owner == 0 || dead[owner]) :: else fi
  fi
}

init {
  atomic {
    byte i = 1;
    do :: i <= NC -> run Caller(i); i++ :: else -> break od;
    run Listener(FIRST, OPENINGS);
    run Listener(SECOND, 1)
  }
}
